CREATE INDEX `hw_revocation_whose` ON `hw_revocation` (`viewer`,`topic`);--> statement-breakpoint
CREATE INDEX `hw_revocation_until` ON `hw_revocation` (`until`);
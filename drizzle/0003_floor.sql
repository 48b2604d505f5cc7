DROP INDEX `hw_connection_node`;--> statement-breakpoint
CREATE INDEX `hw_connection_node` ON `hw_connection` (`state`,`node`);--> statement-breakpoint
CREATE INDEX `hw_floor_seq` ON `hw_floor` (`seq`);
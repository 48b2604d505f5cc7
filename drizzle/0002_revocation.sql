CREATE TABLE `hw_revocation` (
	`viewer` text,
	`topic` text,
	`until` integer
);

ALTER TABLE `job` ADD `kind` text DEFAULT 'folder' NOT NULL;--> statement-breakpoint
ALTER TABLE `job` ADD `received_at` integer;--> statement-breakpoint
ALTER TABLE `job` ADD `rates` text DEFAULT '[]' NOT NULL;
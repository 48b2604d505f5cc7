CREATE TABLE `job` (
	`id` text PRIMARY KEY NOT NULL,
	`folder` text NOT NULL,
	`name` text NOT NULL,
	`state` text NOT NULL,
	`bytes_total` integer NOT NULL,
	`bytes_done` integer NOT NULL,
	`files_total` integer NOT NULL,
	`files_done` integer NOT NULL,
	`failed_files` integer NOT NULL,
	`current_file` text,
	`error` text,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer,
	`active_ms` integer NOT NULL,
	`waiting_since` integer,
	`last_line` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `job_state` ON `job` (`state`);--> statement-breakpoint
CREATE UNIQUE INDEX `job_folder_not_ended` ON `job` (`folder`) WHERE state not in ('done', 'failed', 'cancelled');--> statement-breakpoint
CREATE TABLE `job_file` (
	`job_id` text NOT NULL,
	`path` text NOT NULL,
	`size` integer,
	`sha256` text,
	`gzip` integer,
	`lines` integer,
	`error` text,
	PRIMARY KEY(`job_id`, `path`),
	FOREIGN KEY (`job_id`) REFERENCES `job`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `job_line` (
	`job_id` text NOT NULL,
	`n` integer NOT NULL,
	`level` text NOT NULL,
	`text` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`job_id`, `n`),
	FOREIGN KEY (`job_id`) REFERENCES `job`(`id`) ON UPDATE no action ON DELETE cascade
);

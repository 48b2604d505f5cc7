CREATE TABLE `hw_connection` (
	`id` text PRIMARY KEY NOT NULL,
	`node` text NOT NULL,
	`kind` text NOT NULL,
	`topics` text NOT NULL,
	`entity` text,
	`viewer` text,
	`address` text,
	`agent` text,
	`opened_at` integer NOT NULL,
	`seen_at` integer NOT NULL,
	`events` integer DEFAULT 0 NOT NULL,
	`bytes` integer DEFAULT 0 NOT NULL,
	`state` text NOT NULL,
	`reason` text
);
--> statement-breakpoint
CREATE INDEX `hw_connection_node` ON `hw_connection` (`node`,`state`);--> statement-breakpoint
CREATE INDEX `hw_connection_seen` ON `hw_connection` (`seen_at`);--> statement-breakpoint
CREATE TABLE `hw_event` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`topic` text NOT NULL,
	`kind` text NOT NULL,
	`form` text NOT NULL,
	`key` text,
	`data` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `hw_event_topic` ON `hw_event` (`topic`,`seq`);--> statement-breakpoint
CREATE INDEX `hw_event_signal` ON `hw_event` (`at`) WHERE "hw_event"."kind" = 'signal';--> statement-breakpoint
CREATE UNIQUE INDEX `hw_event_key` ON `hw_event` (`topic`,`key`) WHERE "hw_event"."key" is not null;--> statement-breakpoint
CREATE TABLE `hw_floor` (
	`topic` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `hw_lease` (
	`name` text PRIMARY KEY NOT NULL,
	`node` text NOT NULL,
	`until` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `hw_meta` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `hw_node` (
	`id` text PRIMARY KEY NOT NULL,
	`host` text NOT NULL,
	`boot` text NOT NULL,
	`pid` integer NOT NULL,
	`started_at` integer NOT NULL,
	`lease_until` integer NOT NULL
);

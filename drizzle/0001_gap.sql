CREATE TABLE `hw_gap` (
	`next` integer PRIMARY KEY NOT NULL,
	`last` integer NOT NULL
);
--> statement-breakpoint
DROP INDEX `hw_connection_seen`;--> statement-breakpoint
CREATE INDEX `hw_connection_seen` ON `hw_connection` (`seen_at`) WHERE "hw_connection"."state" in ('closed', 'lost');--> statement-breakpoint
PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_hw_event` (
	`seq` integer PRIMARY KEY NOT NULL,
	`topic` text NOT NULL,
	`kind` text NOT NULL,
	`form` text NOT NULL,
	`key` text,
	`data` text NOT NULL,
	`at` integer NOT NULL,
	`audience` text
);
--> statement-breakpoint
INSERT INTO `__new_hw_event`("seq", "topic", "kind", "form", "key", "data", "at") SELECT "seq", "topic", "kind", "form", "key", "data", "at" FROM `hw_event`;--> statement-breakpoint
INSERT INTO `hw_gap`("next", "last") SELECT "seq", "seq" FROM sqlite_sequence WHERE name = 'hw_event';--> statement-breakpoint
DROP TABLE `hw_event`;--> statement-breakpoint
ALTER TABLE `__new_hw_event` RENAME TO `hw_event`;--> statement-breakpoint
PRAGMA foreign_keys=ON;--> statement-breakpoint
CREATE INDEX `hw_event_topic` ON `hw_event` (`topic`,`seq`);--> statement-breakpoint
CREATE INDEX `hw_event_signal` ON `hw_event` (`at`) WHERE "hw_event"."kind" = 'signal';--> statement-breakpoint
CREATE UNIQUE INDEX `hw_event_key` ON `hw_event` (`topic`,`key`) WHERE "hw_event"."key" is not null;
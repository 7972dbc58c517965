-- The tables of gpt-load 2.0 (internal/storage/migrations/0001_initial.go): sqlite3 gpt-load-2.db < gpt-load-2.sql
PRAGMA page_size = 512;
CREATE TABLE `groups` (`id` integer PRIMARY KEY AUTOINCREMENT,`name` varchar(255) NOT NULL,`channel_id` varchar(64) NOT NULL,`connection_type` varchar(32) NOT NULL DEFAULT "api_key",`params` json NOT NULL,`models` json NOT NULL,`weight_manual` integer,`overrides` json,`enabled` numeric NOT NULL DEFAULT true,`created_at_ms` integer NOT NULL,`updated_at_ms` integer NOT NULL);
CREATE TABLE `credentials` (`id` integer PRIMARY KEY AUTOINCREMENT,`group_id` integer NOT NULL,`data` text NOT NULL,`fingerprint` varchar(128) NOT NULL,`status` varchar(32) NOT NULL DEFAULT "active");
CREATE TABLE `access_keys` (`id` integer PRIMARY KEY AUTOINCREMENT,`name` varchar(255) NOT NULL,`key_value` text NOT NULL,`key_hash` varchar(128) NOT NULL);
INSERT INTO groups (name, channel_id, connection_type, params, models, created_at_ms, updated_at_ms) VALUES
 ('main', 'openai', 'api_key', '{}', '[]', 0, 0), ('relay', 'openai_compatible', 'api_key', '{"base_url":"https://relay.example/v1"}', '[]', 0, 0),
 ('codex', 'codex', 'subscription', '{}', '[]', 0, 0), ('cloud', 'aws_bedrock', 'api_key', '{}', '[]', 0, 0);
INSERT INTO credentials (group_id, data, fingerprint) VALUES (1, 'v1:c2VhbGVk', 'f1'), (3, 'v1:c2VhbGVk', 'f2');
INSERT INTO access_keys (name, key_value, key_hash) VALUES ('team', 'v1:c2VhbGVk', 'h');

-- The tables of gpt-load 1.4 (internal/models/types.go) as GORM makes them in SQLite: sqlite3 gpt-load.db < gpt-load.sql
PRAGMA page_size = 512;
CREATE TABLE `groups` (`id` integer PRIMARY KEY AUTOINCREMENT,`name` varchar(255) NOT NULL,`display_name` varchar(255),`proxy_keys` text,`description` varchar(512),`group_type` varchar(50) DEFAULT "standard",`upstreams` json NOT NULL,`validation_endpoint` varchar(255),`channel_type` varchar(50) NOT NULL,`sort` integer DEFAULT 0,`test_model` varchar(255) NOT NULL,`param_overrides` json,`config` json,`header_rules` json,`model_redirect_rules` json,`model_redirect_strict` numeric DEFAULT false,`last_validated_at` datetime,`created_at` datetime,`updated_at` datetime,CONSTRAINT `uni_groups_name` UNIQUE (`name`));
CREATE TABLE `api_keys` (`id` integer PRIMARY KEY AUTOINCREMENT,`key_value` text NOT NULL,`key_hash` varchar(128),`group_id` integer NOT NULL,`status` varchar(50) NOT NULL DEFAULT "active",`notes` varchar(255) DEFAULT "",`request_count` integer NOT NULL DEFAULT 0,`failure_count` integer NOT NULL DEFAULT 0,`last_used_at` datetime,`created_at` datetime,`updated_at` datetime,CONSTRAINT `fk_groups_api_keys` FOREIGN KEY (`group_id`) REFERENCES `groups`(`id`));
CREATE TABLE `system_settings` (`id` integer PRIMARY KEY AUTOINCREMENT,`setting_key` varchar(255) NOT NULL,`setting_value` text NOT NULL);
INSERT INTO groups (name, group_type, upstreams, channel_type, test_model, param_overrides, config, header_rules, model_redirect_rules) VALUES
 ('openai-main', 'standard', '[{"url":"https://api.openai.com","weight":1}]', 'openai', 'gpt-4o-mini', '{}', '{"max_retries":3}', '[]', '{"gpt-4":"gpt-4o"}'),
 ('claude', 'standard', '[{"url":"https://api.anthropic.com","weight":1}]', 'anthropic', 'claude-haiku-4-5', '{}', '{}', '[]', '{}'),
 ('openai-spare', 'standard', '[{"url":"https://api.openai.com/","weight":1}]', 'openai', 'gpt-4o-mini', '{}', '{}', '[]', '{}'),
 ('everything', 'aggregate', '[]', 'openai', '-', '{}', '{}', '[]', '{}');
INSERT INTO api_keys (key_value, group_id, status, notes) VALUES
 ('sk-fake-load-000000000000000000001', 1, 'active', 'team a'),
 ('sk-fake-load-000000000000000000002', 1, 'invalid', ''),
 ('sk-ant-fake-load-00000000000000001', 2, 'active', ''),
 ('sk-fake-load-000000000000000000001', 3, 'active', ''),
 ('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899', 2, 'active', 'sealed'),
 ('sk-fake-load-000000000000000000009', 77, 'active', '');

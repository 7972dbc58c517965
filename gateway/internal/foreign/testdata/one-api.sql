-- The tables of New API (model/channel.go, model/token.go), which has those of One API and more: sqlite3 one-api.db < one-api.sql
PRAGMA page_size = 512;
CREATE TABLE `channels` (`id` integer,`type` integer DEFAULT 0,`key` text NOT NULL,`open_ai_organization` text,`test_model` text,`status` integer DEFAULT 1,`name` text,`weight` integer DEFAULT 0,`created_time` bigint,`base_url` text DEFAULT "",`other` text,`models` text,`group` varchar(64) DEFAULT "default",`model_mapping` text,`status_code_mapping` varchar(1024) DEFAULT "",`priority` bigint DEFAULT 0,`auto_ban` integer DEFAULT 1,`tag` text,`setting` text,`param_override` text,`header_override` text,`channel_info` json,PRIMARY KEY (`id`));
CREATE TABLE `tokens` (`id` integer,`user_id` integer,`key` char(48),`status` integer DEFAULT 1,`name` text,`expired_time` bigint DEFAULT -1,`remain_quota` integer DEFAULT 0,`unlimited_quota` numeric,`deleted_at` datetime,PRIMARY KEY (`id`));
CREATE TABLE `users` (`id` integer PRIMARY KEY AUTOINCREMENT,`username` text);
INSERT INTO channels (type, key, status, name, weight, base_url, models, model_mapping, priority, setting, channel_info) VALUES
 (1, 'sk-fake-one-0000000000000000000001', 1, 'OpenAI, main', 0, '', 'gpt-4o,gpt-4o-mini', '{"gpt-4":"gpt-4o"}', 0, '{"proxy":"socks5://user:hunter2@proxy.example:1080"}', NULL),
 (1, 'sk-fake-one-0000000000000000000002' || char(10) || 'sk-fake-one-0000000000000000000003', 1, 'pool', 4, 'https://relay.example/', 'gpt-4o,gpt-4', '{"gpt-4":"gpt-4o"}', 5, '', '{"is_multi_key":true,"multi_key_size":2,"multi_key_status_list":{"1":2}}'),
 (14, 'sk-ant-fake-one-000000000000000001', 2, 'Claude', 0, NULL, 'claude-sonnet-4-5', '', 0, '', NULL),
 (24, 'AIzaSyFAKE-one-00000000000000000001', 1, 'Gemini', 0, '', 'gemini-2.5-pro', '', 0, '', NULL),
 (8, 'sk-fake-one-0000000000000000000004', 1, 'custom', 0, 'https://custom.example/v1/chat/completions', 'a', '', 0, '', NULL),
 (4, 'x', 1, 'Ollama', 0, 'http://10.0.0.8:11434', 'llama3', '', 0, '', NULL),
 (3, 'azure-key', 1, 'Azure', 0, 'https://x.openai.azure.com', 'gpt-4o', '', 0, '', NULL),
 (57, '{"access_token":"x"}', 1, 'Codex', 0, '', 'gpt-5-codex', '', 0, '', NULL),
 (99, 'x', 1, 'new', 0, '', '', '', 0, '', NULL),
 (43, 'sk-fake-one-0000000000000000000005', 1, 'DeepSeek', 0, 'https://user:hunter2@deepseek.example', 'deepseek-chat', '', 0, '', NULL);
INSERT INTO tokens (user_id, key, name, deleted_at) VALUES (1, 'fakeclientkey0000000000000000000000000000000001', 'phone', NULL), (1, 'fakeclientkey0000000000000000000000000000000002', 'gone', '2026-01-01');

package admincli

// commands are all there are, in the order of the usage. It is filled at start
// because a command's code lists them, too.
var commands = []command{
	{name: "tokens list", args: "[--upstream NAME] [--state ready|quarantined|cooling|probing|parked|expired|disabled] [--tag TAG] [--search TEXT]", help: "the pool", prepare: listTokens},
	{name: "tokens show", args: "TOKEN", help: "one token", min: 1, max: 1, prepare: showToken},
	{name: "tokens add", args: "[--upstream NAME] [--alias ALIAS] [--tags TAG,…] [--cap N] [--weight N] [--checksum TEXT] [--proxy URL [--untried]] [--with-refresh-token] [--disabled]", help: "adds the token that is read from standard input; its refresh token is the second line", prepare: addToken},
	{name: "tokens edit", args: "TOKEN [--alias ALIAS] [--tags TAG,…] [--cap N] [--weight N] [--checksum TEXT] [--proxy URL [--untried]]", help: "changes what is named; an empty proxy is the upstream's", min: 1, max: 1, prepare: editToken},
	{name: "tokens enable", args: "TOKEN…", help: "lets tokens serve", min: 1, max: -1, prepare: enableTokens(true)},
	{name: "tokens disable", args: "TOKEN…", help: "keeps tokens from serving", min: 1, max: -1, prepare: enableTokens(false)},
	{name: "tokens delete", args: "TOKEN…", help: "deletes tokens", min: 1, max: -1, prepare: deleteTokens},
	{name: "tokens restore", args: "ID…", help: "undoes deletions, within an hour", min: 1, max: -1, prepare: restoreTokens},
	{name: "tokens refresh", args: "TOKEN…", help: "gets another access token for logins and user keys, before it is due", min: 1, max: -1, prepare: refreshTokens},
	{name: "tokens import", args: "FILE [--format token|token-list|json] [--upstream NAME]", help: "takes a token file, `-` for standard input; tells what was refused, and why", min: 1, max: 1, prepare: importTokens},
	{name: "tokens export", args: "[--format token|token-list|json] [--upstream NAME]", help: "prints the pool as a token file, secrets included", prepare: exportTokens},

	{name: "login", args: "[--upstream NAME] [--alias ALIAS] [--token TOKEN] [--proxy URL [--untried]] [--no-wait]", help: "logs in to an upstream in the browser: prints a link, waits, and tells the token; --token renews one", prepare: logIn},
	{name: "quotas", args: "[--upstream NAME]", help: "what the accounts have left, and how far each pool reaches", prepare: listQuotas},

	{name: "upstreams list", help: "the upstreams", prepare: listUpstreams},
	{name: "upstreams put", args: "NAME --driver cursor|openai|anthropic --base-url URL [--models ID,…] [--set KEY=VALUE]…", help: "creates or replaces an upstream", min: 1, max: 1, prepare: putUpstream},
	{name: "upstreams delete", args: "NAME", help: "deletes an upstream without tokens", min: 1, max: 1, prepare: deleteUpstream},

	{name: "routes list", help: "the aliases and patterns, and where requests go that name them", prepare: listRoutes},
	{name: "routes put", args: "NAME [--match NAME|PATTERN] --target UPSTREAM[/MODEL][,PRIORITY[,WEIGHT]]… [--set PARAMETER=VALUE]… [--default PARAMETER=VALUE]…", help: "creates or replaces a route; a parameter that is set always holds, a default where the request has none", min: 1, max: 1, prepare: putRoute},
	{name: "routes delete", args: "NAME", help: "deletes a route", min: 1, max: 1, prepare: deleteRoute},

	{name: "settings list", help: "the settings that can be changed while running", prepare: listSettings},
	{name: "settings set", args: "NAME=VALUE…", help: "changes settings, all or none", min: 1, max: -1, prepare: setSettings},
	{name: "settings reset", args: "NAME…", help: "takes settings back to their defaults", min: 1, max: -1, prepare: resetSettings},

	{name: "logs list", args: "[--model ID] [--status success|failure] [--alias ALIAS] [--stream true|false] [--error TEXT] [--from TIME] [--to TIME] [--limit N]", help: "the request log, newest first", prepare: listLogs},
	{name: "logs tail", args: "[filters of logs list]", help: "follows the request log until it is interrupted", prepare: tailLogs},
	{name: "logs show", args: "ID", help: "one request, with its attempts and its prompt; ID is the answer's or its X-Request-Id", min: 1, max: 1, prepare: showLog},

	{name: "explain", args: "MODEL [--dialect openai|anthropic|responses]", help: "who would serve a request of the dialect that names MODEL: the route, its targets in order, and which token of each would be chosen now, or what excludes it", min: 1, max: 1, prepare: explain},
}

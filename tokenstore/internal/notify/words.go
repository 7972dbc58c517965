package notify

import (
	"strconv"
	"strings"
	"time"
)

// phrase is what is said of an alert. In braces stand upstream, kind, period and unit, which are
// its labels, and count, of, at and detail.
type phrase struct{ summary, description string }

var phrases = map[string]map[string]phrase{
	English: {
		PoolDry: {
			"No token of upstream {upstream} can serve.",
			"All enabled tokens ({of}) cool, are parked or have expired, so requests to {upstream} are refused. Look at the pool on the page Tokens, enable or add tokens.",
		},
		PoolShort: {
			"Few tokens of upstream {upstream} can serve: {count} of {of}.",
			"The others cool, are parked or have expired. See on the page Tokens which, and for what; add tokens if the load is what you want to serve.",
		},
		PoolDrySoon: {
			"The tokens of upstream {upstream} will be used up within four hours.",
			"They have become fewer for an hour, and at this pace none will be able to serve. See on the page Tokens what takes them out, and add some.",
		},
		GuardOpen: {
			"The tokens of upstream {upstream} fail alike: {detail}.",
			"No token is blamed, and few requests a time find out whether it is over. Look at the upstream itself, its address, its proxy and the client version.",
		},
		TokenParked: {
			"Tokens of upstream {upstream} are parked: {count}.",
			"The upstream refused them again and again, and nothing brings them back by itself. Filter the page Tokens by \"parked\", read what the upstream said, then renew, enable or delete them.",
		},
		TokenExpiring: {
			"A token of upstream {upstream} expires at {at}.",
			"It is {detail}. Replace its secret, or log in anew, before that. The page Tokens shows when each one expires.",
		},
		TokenExpired: {
			"Tokens of upstream {upstream} have expired: {count}.",
			"They don't serve any more, or their access tokens could not be renewed. Replace or delete them.",
		},
		LoginNeeded: {
			"Accounts of upstream {upstream} need a new login: {count}.",
			"The upstream took neither the access token nor the refresh token. Open the token's page and log in to the account again.",
		},
		StoreDown: {
			"A tokenstore can't use Redis: {detail}.",
			"Gateways serve from their reserve meanwhile. The tokenstore's /readyz and its log say more.",
		},
		StoreWarning: {
			"Redis serves, but not as it should: {kind}.",
			"{detail}",
		},
		Degraded: {
			"A gateway has served without the tokenstore, for {count} s.",
			"It went on with its reserve, and refused what that had no tokens for. See whether tokenstores run and can be reached; this is known only afterwards.",
		},
		LogDropping: {
			"Entries of the request log are lost: {count}.",
			"The gateways' log says more. With LOG_SPOOL_DIR entries that wait survive a long outage and a crash.",
		},
		BudgetNear: {
			"Client keys have used up 80 % of a budget of {unit} per {period}: {count}.",
			"The page Keys shows which. At the end of a budget a key's requests are refused.",
		},
	},
	Chinese: {
		PoolDry: {
			"上游 {upstream} 没有可用的令牌。",
			"所有已启用的令牌（{of} 个）都在冷却、已搁置或已过期，因此发往 {upstream} 的请求会被拒绝。请在“令牌”页面查看该池，启用或添加令牌。",
		},
		PoolShort: {
			"上游 {upstream} 可用的令牌不多：{of} 个中只有 {count} 个。",
			"其余的在冷却、已搁置或已过期。“令牌”页面显示是哪些、为什么；如果这是您要承载的负载，请添加令牌。",
		},
		PoolDrySoon: {
			"上游 {upstream} 的令牌将在四小时内用尽。",
			"一小时以来可用的令牌不断减少，照此速度将没有可用的令牌。请在“令牌”页面查看原因，并添加令牌。",
		},
		GuardOpen: {
			"上游 {upstream} 的令牌出现相同的失败：{detail}。",
			"不会归咎于任何令牌，每次只放行少量请求来确认是否恢复。请检查上游本身、它的地址、代理和客户端版本。",
		},
		TokenParked: {
			"上游 {upstream} 有令牌被搁置：{count} 个。",
			"上游一再拒绝它们，它们不会自行恢复。请在“令牌”页面按“已搁置”筛选，查看上游的说明，然后续期、启用或删除。",
		},
		TokenExpiring: {
			"上游 {upstream} 的一个令牌将于 {at} 过期。",
			"它是 {detail}。请在此之前更换密钥或重新登录。“令牌”页面显示每个令牌的过期时间。",
		},
		TokenExpired: {
			"上游 {upstream} 有令牌已过期：{count} 个。",
			"它们不再提供服务，或其访问令牌无法续期。请更换或删除。",
		},
		LoginNeeded: {
			"上游 {upstream} 有账户需要重新登录：{count} 个。",
			"上游既不接受访问令牌，也不接受刷新令牌。请打开该令牌的页面，重新登录账户。",
		},
		StoreDown: {
			"一个 tokenstore 无法使用 Redis：{detail}。",
			"其间网关用储备继续服务。该 tokenstore 的 /readyz 和日志有更多说明。",
		},
		StoreWarning: {
			"Redis 在服务，但状态不正常：{kind}。",
			"{detail}",
		},
		Degraded: {
			"一个网关在没有 tokenstore 的情况下服务了 {count} 秒。",
			"它用储备继续服务，储备中没有令牌的请求被拒绝。请检查 tokenstore 是否在运行、能否连通；此事只能事后得知。",
		},
		LogDropping: {
			"请求日志有条目丢失：{count} 条。",
			"网关的日志有更多说明。设置 LOG_SPOOL_DIR 后，等待中的条目能在长时间中断和崩溃后保留。",
		},
		BudgetNear: {
			"有客户端密钥已用掉 80 % 的预算（{unit}，{period}）：{count} 个。",
			"“密钥”页面显示是哪些。预算用尽后，该密钥的请求会被拒绝。",
		},
	},
}

// Words say an alert in a language: what it is, and what to do about it.
func Words(a Alert, language string) (summary, description string) {
	known, there := phrases[language]
	if !there {
		known = phrases[English]
	}
	said, there := known[a.Name]
	if !there {
		said = phrase{a.Name, "{detail}"}
	}
	pairs := []string{
		"{count}", strconv.FormatUint(a.Count, 10), "{of}", strconv.FormatUint(a.Of, 10), "{at}", a.At.UTC().Format(time.DateTime) + " UTC", "{detail}", a.Detail,
	}
	for _, label := range []string{UpstreamLabel, KindLabel, PeriodLabel, UnitLabel} {
		pairs = append(pairs, "{"+label+"}", a.Labels[label])
	}
	fill := strings.NewReplacer(pairs...)
	return fill.Replace(said.summary), fill.Replace(said.description)
}

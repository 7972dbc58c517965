package main

// of narrows what is of an upstream to those that the reader has chosen.
const of = `{upstream=~"$upstream"}`

// faulty are the kinds of failures that are not the caller's.
const faulty = `{upstream=~"$upstream",kind=~"no_tokens|no_token_available|rate_limited|upstream_auth|upstream_unavailable|upstream_protocol|outdated_client|store_unavailable|timeout|internal"}`

func dashboards() []dashboard { return []dashboard{overview(), pools(), keysAndCost(), operation()} }

func overview() dashboard {
	return dashboard{"overview", "overview", []row{
		{"Now", []panel{
			{title: "Requests", stat: true, unit: perSecond, queries: []query{{rate("carousel_gateway_model_requests_total"+of, ""), ""}}},
			{title: "Failures, not the callers'", stat: true, unit: share, queries: []query{{
				rate("carousel_gateway_model_failures_total"+faulty, "") + " / " + rate("carousel_gateway_model_requests_total"+of, ""), "",
			}}},
			{title: "First byte, 95 %", stat: true, unit: seconds, queries: []query{{quantileOf("0.95", "carousel_gateway_model_ttft_seconds", of, ""), ""}}},
			{title: "Tokens that can serve", stat: true, unit: count, queries: []query{{
				`sum(max by (upstream, state) (carousel_tokenstore_pool_tokens{upstream=~"$upstream",state=~"ready|probing|quarantined"}))`, "",
			}}},
			{title: "Gateways", stat: true, unit: count, queries: []query{{"count(carousel_gateway_build_info)", ""}}},
			{title: "Alerts", stat: true, unit: count, queries: []query{{`count(ALERTS{alertname=~"Carousel.*",alertstate="firing"}) or vector(0)`, ""}}},
		}},
		{"Requests", []panel{
			{title: "Requests by upstream", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_model_requests_total"+of, "upstream"), "{{upstream}}"}}},
			{title: "Failures by kind", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_model_failures_total"+of, "kind") + " > 0", "{{kind}}"}}},
		}},
		{"Models", []panel{
			{title: "Requests by model", unit: perSecond, stacked: true, queries: []query{{"topk(10, " + rate("carousel_gateway_model_requests_total"+of, "model") + ")", "{{model}}"}}},
			{title: "Failures by model, not the callers'", unit: perSecond, stacked: true, queries: []query{{"topk(10, " + rate("carousel_gateway_model_failures_total"+faulty, "upstream, model") + ")", "{{upstream}} {{model}}"}}},
		}},
		{"Times", []panel{
			{title: "First byte by upstream", unit: seconds, queries: []query{
				{quantileOf("0.5", "carousel_gateway_model_ttft_seconds", of, "upstream"), "{{upstream}} 50 %"},
				{quantileOf("0.95", "carousel_gateway_model_ttft_seconds", of, "upstream"), "{{upstream}} 95 %"},
			}},
			{title: "Whole answer by upstream", unit: seconds, queries: []query{
				{quantileOf("0.5", "carousel_gateway_model_request_seconds", of, "upstream"), "{{upstream}} 50 %"},
				{quantileOf("0.95", "carousel_gateway_model_request_seconds", of, "upstream"), "{{upstream}} 95 %"},
			}},
			{title: "First byte by model, 95 %", unit: seconds, queries: []query{{"topk(10, " + quantileOf("0.95", "carousel_gateway_model_ttft_seconds", of, "model") + ")", "{{model}}"}}},
		}},
		{"Attempts", []panel{
			{title: "Attempts by how they ended", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_upstream_attempts_total"+of, "outcome") + " > 0", "{{outcome}}"}}},
			{title: "Retries and fallbacks", unit: perSecond, queries: []query{
				{rate("carousel_gateway_retries_total"+of, ""), "retries"},
				{rate("carousel_gateway_retries_denied_total"+of, ""), "retries without budget"},
				{rate("carousel_gateway_fallbacks_total"+of, ""), "fallbacks"},
			}},
		}},
	}}
}

func pools() dashboard {
	return dashboard{"pools", "pools", []row{
		{"Now", []panel{
			{title: "Can serve", stat: true, unit: count, queries: []query{{`sum by (upstream) (max by (upstream, state) (carousel_tokenstore_pool_tokens{upstream=~"$upstream",state=~"ready|probing|quarantined"}))`, "{{upstream}}"}}},
			{title: "Parked", stat: true, unit: count, queries: []query{{mostBy(`carousel_tokenstore_pool_tokens{upstream=~"$upstream",state="parked"}`, "upstream"), "{{upstream}}"}}},
			{title: "Need a login", stat: true, unit: count, queries: []query{{mostBy("carousel_tokenstore_pool_login_needed_tokens"+of, "upstream"), "{{upstream}}"}}},
			{title: "Expire within a week", stat: true, unit: count, queries: []query{{mostBy("carousel_tokenstore_pool_expiring_tokens"+of, "upstream"), "{{upstream}}"}}},
			{title: "Next expiry", stat: true, unit: seconds, queries: []query{{"min by (upstream) (carousel_tokenstore_pool_next_expiry_timestamp_seconds" + of + ") - time()", "{{upstream}}"}}},
			{title: "Shared causes", stat: true, unit: count, queries: []query{{mostBy("carousel_tokenstore_pool_shared_causes"+of, "upstream"), "{{upstream}}"}}},
		}},
		{"Tokens", []panel{
			{title: "Tokens by state", unit: count, stacked: true, queries: []query{{"sum by (state) (max by (upstream, state) (carousel_tokenstore_pool_tokens" + of + "))", "{{state}}"}}},
			{title: "Leases that are out", unit: count, stacked: true, queries: []query{{mostBy("carousel_tokenstore_pool_leases"+of, "upstream"), "{{upstream}}"}}},
		}},
		{"What takes tokens out", []panel{
			{title: "Cooled, by class", unit: perSecond, stacked: true, queries: []query{{rate(`carousel_tokenstore_token_verdicts_total{upstream=~"$upstream",became="cooling"}`, "upstream, class") + " > 0", "{{upstream}} {{class}}"}}},
			{title: "Parked, by class", unit: perSecond, stacked: true, queries: []query{{rate(`carousel_tokenstore_token_verdicts_total{upstream=~"$upstream",became="parked"}`, "upstream, class") + " > 0", "{{upstream}} {{class}}"}}},
			{title: "Alarms: tokens fail alike", unit: count, stacked: true, queries: []query{{rate("carousel_tokenstore_shared_causes_total"+of, "upstream, class") + " > 0", "{{upstream}} {{class}}"}}},
			{title: "Refreshes of access tokens", unit: perSecond, stacked: true, queries: []query{{rate("carousel_tokenstore_refreshes_total", "result"), "{{result}}"}}},
		}},
		{"Waiting", []panel{
			{title: "Requests that wait", unit: count, stacked: true, queries: []query{{"sum by (upstream) (carousel_tokenstore_queue_demands" + of + ")", "{{upstream}}"}}},
			{title: "The longest wait", unit: seconds, queries: []query{{mostBy("carousel_tokenstore_queue_oldest_seconds"+of, "upstream"), "{{upstream}}"}}},
			{title: "Wait for a token", unit: seconds, queries: []query{
				{quantileOf("0.5", "carousel_tokenstore_demand_wait_seconds", of, "upstream"), "{{upstream}} 50 %"},
				{quantileOf("0.99", "carousel_tokenstore_demand_wait_seconds", of, "upstream"), "{{upstream}} 99 %"},
			}},
			{title: "Refused a token, by why", unit: perSecond, stacked: true, queries: []query{{rate("carousel_tokenstore_demands_denied_total"+of, "upstream, reason") + " > 0", "{{upstream}} {{reason}}"}}},
		}},
	}}
}

func keysAndCost() dashboard {
	return dashboard{"keys-and-cost", "keys and cost", []row{
		{"In the time that is shown", []panel{
			{title: "Requests", stat: true, unit: count, queries: []query{{grown("carousel_gateway_model_requests_total" + of), ""}}},
			{title: "Cost", stat: true, unit: dollars, queries: []query{{grown("carousel_gateway_cost_usd_total" + of), ""}}},
			{title: "Model tokens in", stat: true, unit: count, queries: []query{{grown(`carousel_gateway_tokens_used_total{upstream=~"$upstream",direction="prompt"}`), ""}}},
			{title: "Model tokens out", stat: true, unit: count, queries: []query{{grown(`carousel_gateway_tokens_used_total{upstream=~"$upstream",direction="completion"}`), ""}}},
			{title: "Read from caches", stat: true, unit: share, queries: []query{{
				grown(`carousel_gateway_tokens_used_total{upstream=~"$upstream",kind="cache_read"}`) + " / " + grown(`carousel_gateway_tokens_used_total{upstream=~"$upstream",direction="prompt"}`), "",
			}}},
		}},
		{"Cost", []panel{
			{title: "Dollars an hour by model", unit: dollars, stacked: true, queries: []query{{"topk(10, 3600 * " + rate("carousel_gateway_cost_usd_total"+of, "upstream, model") + ")", "{{upstream}} {{model}}"}}},
			{title: "Dollars an hour by class of key", unit: dollars, stacked: true, queries: []query{{"3600 * " + rate("carousel_gateway_cost_usd_total"+of, "caller"), "{{caller}}"}}},
		}},
		{"Use", []panel{
			{title: "Requests by class of key", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_model_requests_total"+of, "caller"), "{{caller}}"}}},
			{title: "Model tokens a second by model", unit: count, stacked: true, queries: []query{{"topk(10, " + rate("carousel_gateway_tokens_used_total"+of, "upstream, model") + ")", "{{upstream}} {{model}}"}}},
			{title: "Model tokens a second by kind", unit: count, stacked: true, queries: []query{{rate("carousel_gateway_tokens_used_total"+of, "direction, kind"), "{{direction}} {{kind}}"}}},
		}},
		{"Keys", []panel{
			{title: "Refused for their key, by why", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_key_refusals_total", "reason") + " > 0", "{{reason}}"}}},
			{title: "Keys near the end of a budget", unit: count, queries: []query{{mostBy("carousel_gateway_keys_near_budget", "period, unit") + " > 0", "{{unit}} per {{period}}"}}},
			{title: "Requests to all routes, by caller", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_caller_requests_total", "caller"), "{{caller}}"}}},
			{title: "Logins to the pages", unit: count, stacked: true, queries: []query{{rate("carousel_gateway_admin_logins_total", "result"), "{{result}}"}}},
		}},
	}}
}

func operation() dashboard {
	return dashboard{"operation", "operation", []row{
		{"Now", []panel{
			{title: "Gateways that answer", stat: true, unit: count, queries: []query{{`sum(up{job="carousel-gateway"})`, ""}}},
			{title: "Tokenstores that answer", stat: true, unit: count, queries: []query{{`sum(up{job="carousel-tokenstore"})`, ""}}},
			{title: "Serve without the tokenstore", stat: true, unit: count, queries: []query{{"sum(carousel_gateway_degraded)", ""}}},
			{title: "Redis can be used", stat: true, unit: count, queries: []query{{"min(carousel_tokenstore_store_up)", ""}}},
			{title: "What is written is on disk", stat: true, unit: count, queries: []query{{"min(carousel_tokenstore_store_durable)", ""}}},
			{title: "Warnings of Redis", stat: true, unit: count, queries: []query{{"sum(max by (kind) (carousel_tokenstore_store_warnings))", ""}}},
		}},
		{"Gateways", []panel{
			{title: "Requests being answered", unit: count, stacked: true, queries: []query{{"sum by (instance) (carousel_gateway_in_flight)", "{{instance}}"}}},
			{title: "Answers by status", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_requests_total", "status"), "{{status}}"}}},
			{title: "Leases by how they were had", unit: perSecond, stacked: true, queries: []query{{rate("carousel_gateway_leases_total", "how"), "{{how}}"}}},
			{title: "Wait for a lease", unit: seconds, queries: []query{
				{quantileOf("0.5", "carousel_gateway_lease_wait_seconds", "", ""), "50 %"},
				{quantileOf("0.99", "carousel_gateway_lease_wait_seconds", "", ""), "99 %"},
			}},
		}},
		{"Tokenstore and Redis", []panel{
			{title: "Scripts, 99 %", unit: seconds, queries: []query{{"topk(8, " + quantileOf("0.99", "carousel_tokenstore_redis_script_seconds", "", "script") + ")", "{{script}}"}}},
			{title: "Scripts a second", unit: perSecond, stacked: true, queries: []query{{"topk(8, " + rate("carousel_tokenstore_redis_script_seconds_count", "script") + ")", "{{script}}"}}},
			{title: "Scripts that failed", unit: perSecond, stacked: true, queries: []query{{rate("carousel_tokenstore_redis_script_failures_total", "script") + " > 0", "{{script}}"}}},
			{title: "gRPC calls by status", unit: perSecond, stacked: true, queries: []query{{rate("carousel_tokenstore_grpc_calls_total", "code"), "{{code}}"}}},
		}},
		{"Memory", []panel{
			{title: "Redis", unit: bytesUnit, queries: []query{
				{mostBy("carousel_tokenstore_redis_memory_bytes", "redis"), "{{redis}} used"},
				{mostBy("carousel_tokenstore_redis_memory_max_bytes", "redis") + " > 0", "{{redis}} maxmemory"},
				{mostBy("carousel_tokenstore_redis_aof_bytes", "redis"), "{{redis}} append-only file"},
			}},
			{title: "Processes", unit: bytesUnit, queries: []query{{`process_resident_memory_bytes{job=~"carousel-.*"}`, "{{job}} {{instance}}"}}},
			{title: "Processor", unit: share, queries: []query{{`sum by (job, instance) (rate(process_cpu_seconds_total{job=~"carousel-.*"}[$__rate_interval]))`, "{{job}} {{instance}}"}}},
		}},
		{"Request log", []panel{
			{title: "Entries", unit: perSecond, queries: []query{{rate("carousel_gateway_log_entries_total", "state"), "{{state}}"}}},
			{title: "Lost, by why", unit: count, stacked: true, queries: []query{{rate("carousel_gateway_log_dropped_total", "reason") + " > 0", "{{reason}}"}}},
			{title: "Waiting", unit: count, queries: []query{{"sum by (instance) (carousel_gateway_log_pending)", "{{instance}}"}}},
			{title: "Nothing stored for", unit: seconds, queries: []query{{"max by (instance) (carousel_gateway_log_stalled_seconds)", "{{instance}}"}}},
			{title: "Size", unit: bytesUnit, queries: []query{
				{mostBy("carousel_tokenstore_log_prompt_bytes", ""), "prompts"},
				{"sum(carousel_gateway_log_spool_bytes)", "spools"},
			}},
			{title: "Entries kept", unit: count, queries: []query{{mostBy("carousel_tokenstore_log_entries", ""), "entries"}}},
		}},
		{"Versions", []panel{
			{title: "Gateways by version", unit: count, stacked: true, queries: []query{{"count by (version) (carousel_gateway_build_info)", "{{version}}"}}},
			{title: "Tokenstores by version", unit: count, stacked: true, queries: []query{{"count by (version) (carousel_tokenstore_build_info)", "{{version}}"}}},
		}},
	}}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"carousel.internal/deploy/e2e/stack"
)

const rulesFile = "deploy/prometheus/alerts.yml"

// rule is one of the rules: it records, or it alerts.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// course is how a series goes: as it should for 90 minutes, then badly, then well again. A
// sample is a minute.
type course struct {
	series string
	values []float64
}

const phase = 90

// level is a gauge.
func level(series string, good, bad float64) course {
	return course{series, slices.Concat(slices.Repeat([]float64{good}, phase), slices.Repeat([]float64{bad}, phase), slices.Repeat([]float64{good}, phase))}
}

// pace is a counter that goes up by so much a minute.
func pace(series string, good, bad float64) course {
	values, now := make([]float64, 0, 3*phase), 0.0
	for _, each := range level(series, good, bad).values {
		now += each
		values = append(values, now)
	}
	return course{series, values}
}

// slope is a gauge that goes evenly to another value while all is bad.
func slope(series string, good, to float64) course {
	all := level(series, good, good)
	for i := range phase {
		all.values[phase+i] = good + (to-good)*float64(i)/phase
	}
	return all
}

// faults say for each alert what goes wrong, and what is of the same kind and no fault.
var faults = []struct {
	alert string
	// bad makes it fire, as many times as there are things that are bad; fine never does.
	bad   []course
	times int
	fine  []course
}{
	{"CarouselPoolDry", []course{
		level(tokens("a", "ready"), 3, 0), level(tokens("a", "cooling"), 0, 2), level(tokens("a", "parked"), 0, 1),
	}, 1, []course{
		level(tokens("empty", "ready"), 0, 0), level(tokens("off", "disabled"), 2, 2), level(tokens("off", "ready"), 0, 0),
		level(tokens("busy", "ready"), 1, 1), level(tokens("busy", "cooling"), 5, 5),
	}},
	{"CarouselPoolShort", []course{level(tokens("a", "ready"), 10, 2), level(tokens("a", "cooling"), 0, 8)}, 1, []course{
		level(tokens("dry", "ready"), 0, 0), level(tokens("dry", "cooling"), 5, 5), level(tokens("half", "ready"), 5, 5), level(tokens("half", "cooling"), 5, 5),
		level(tokens("off", "ready"), 2, 2), level(tokens("off", "disabled"), 50, 50),
	}},
	{"CarouselPoolDrySoon", []course{slope(tokens("a", "ready"), 100, 40)}, 1, []course{slope(tokens("b", "ready"), 100, 90), level(tokens("c", "ready"), 1, 1)}},
	{"CarouselGuardOpen", []course{level(`carousel_tokenstore_pool_shared_causes{upstream="a",instance="1"}`, 0, 2), level(`carousel_tokenstore_pool_shared_causes{upstream="a",instance="2"}`, 0, 2)}, 1, nil},
	{"CarouselTokenParked", []course{level(tokens("a", "parked"), 0, 1), level(tokens("b", "parked"), 0, 4)}, 2, []course{level(tokens("c", "disabled"), 1, 1)}},
	{"CarouselTokenExpiring", []course{level(`carousel_tokenstore_pool_next_expiry_timestamp_seconds{upstream="a"}`, 1e9, 3*phase*60)}, 1, []course{
		level(`carousel_tokenstore_pool_next_expiry_timestamp_seconds{upstream="b"}`, 5*86400, 5*86400),
	}},
	{"CarouselTokenExpired", []course{level(tokens("a", "expired"), 0, 1)}, 1, nil},
	{"CarouselLoginNeeded", []course{level(`carousel_tokenstore_pool_login_needed_tokens{upstream="a"}`, 0, 1)}, 1, nil},
	{"CarouselQueue", []course{level(`carousel_tokenstore_queue_oldest_seconds{upstream="a"}`, 1, 8)}, 1, nil},
	{"CarouselDown", []course{level(`up{job="carousel-gateway",instance="1"}`, 1, 0)}, 1, []course{level(`up{job="another"}`, 0, 0), level(`up{job="carousel-tokenstore"}`, 1, 1)}},
	{"CarouselAbsent", []course{level(`up{job="carousel-gateway",instance="1"}`, 1, 0), level(`up{job="carousel-gateway",instance="2"}`, 1, 0)}, 1, []course{
		level(`up{job="carousel-tokenstore",instance="1"}`, 1, 0), level(`up{job="carousel-tokenstore",instance="2"}`, 1, 1),
	}},
	{"CarouselDegraded", []course{level(`carousel_gateway_degraded{instance="1"}`, 0, 1)}, 1, []course{level(`carousel_gateway_degraded{instance="2"}`, 0, 0)}},
	{"CarouselStoreDown", []course{level(`carousel_tokenstore_store_up`, 1, 0)}, 1, nil},
	{"CarouselStoreWarning", []course{level(`carousel_tokenstore_store_warnings{kind="evicts"}`, 0, 1)}, 1, []course{level(`carousel_tokenstore_store_warnings{kind="vanished"}`, 0, 0)}},
	{"CarouselRedisMemory", []course{level(`carousel_tokenstore_redis_memory_bytes{redis="pool"}`, 50, 85), level(`carousel_tokenstore_redis_memory_max_bytes{redis="pool"}`, 100, 100)}, 1, []course{
		level(`carousel_tokenstore_redis_memory_bytes{redis="log"}`, 50, 85), level(`carousel_tokenstore_redis_memory_max_bytes{redis="log"}`, 0, 0),
	}},
	{
		"CarouselScriptSlow", quantile("carousel_tokenstore_redis_script_seconds", `script="acquire"`, .05, .25, .5), 1,
		quantile("carousel_tokenstore_redis_script_seconds", `script="reseal"`, .05, .25, .5),
	},
	{"CarouselCertificateExpiring", []course{
		level(`carousel_gateway_certificate_expiry_timestamp_seconds{job="carousel-gateway"}`, 1e9, 2*phase*60), level(`carousel_tokenstore_certificate_expiry_timestamp_seconds{job="carousel-tokenstore"}`, 1e9, 86400),
	}, 2, []course{level(`carousel_gateway_certificate_expiry_timestamp_seconds{instance="2"}`, 30*86400, 30*86400)}},
	{"CarouselFailures", []course{
		pace(`carousel_gateway_model_requests_total{upstream="a",model="m",caller="key"}`, 100, 100),
		pace(`carousel_gateway_model_failures_total{upstream="a",model="m",kind="rate_limited"}`, 1, 20),
	}, 1, []course{
		pace(`carousel_gateway_model_requests_total{upstream="b",model="m",caller="key"}`, 100, 100),
		pace(`carousel_gateway_model_failures_total{upstream="b",model="m",kind="invalid_request"}`, 50, 50),
	}},
	{"CarouselFirstByteSlow", quantile("carousel_gateway_model_ttft_seconds", `upstream="a",model="m"`, 10, 60, 120), 1, nil},
	{"CarouselLoginsRefused", []course{pace(`carousel_gateway_admin_logins_total{result="refused"}`, 0, 5)}, 1, []course{pace(`carousel_gateway_admin_logins_total{result="granted"}`, 5, 5)}},
	{"CarouselLogDropping", []course{pace(`carousel_gateway_log_dropped_total{reason="queue_full"}`, 0, 1)}, 1, []course{pace(`carousel_gateway_log_dropped_total{reason="damaged"}`, 0, 0)}},
	{"CarouselLogStalled", []course{level(`carousel_gateway_log_stalled_seconds{instance="1"}`, 1, 300)}, 1, nil},
	{"CarouselBudgetNear", []course{level(`carousel_gateway_keys_near_budget{period="day",unit="usd"}`, 0, 1)}, 1, []course{level(`carousel_gateway_keys_near_budget{period="week",unit="usd"}`, 0, 0)}},
	{"CarouselBudgetSpent", []course{pace(`carousel_gateway_key_refusals_total{reason="spent"}`, 0, 1)}, 1, []course{pace(`carousel_gateway_key_refusals_total{reason="wrong"}`, 1, 1)}},
}

func tokens(upstream, state string) string {
	return fmt.Sprintf(`carousel_tokenstore_pool_tokens{upstream=%q,state=%q}`, upstream, state)
}

// quantile is a histogram with all in the bucket of good, then in that of bad.
func quantile(name, labels string, good, bad, more float64) []course {
	bucket := func(le string, well, badly float64) course {
		return pace(fmt.Sprintf(`%s_bucket{%s,le=%q}`, name, labels, le), well, badly)
	}
	return []course{bucket(fmt.Sprint(good), 10, 0), bucket(fmt.Sprint(bad), 10, 0), bucket(fmt.Sprint(more), 10, 10), bucket("+Inf", 10, 10)}
}

// Each alert fires when its fault is there, once for each thing that is bad, and not before nor
// after; nor for what looks alike.
func TestAlerts(t *testing.T) {
	var file strings.Builder
	fmt.Fprintf(&file, "rule_files: [%q]\nevaluation_interval: 1m\ntests:\n", filepath.Join(stack.Root(t), rulesFile))
	for _, fault := range faults {
		fmt.Fprintf(&file, "  - name: %s\n    interval: 1m\n    input_series:\n", fault.alert)
		for _, each := range slices.Concat(fault.bad, fault.fine) {
			fmt.Fprintf(&file, "      - series: %q\n        values: %q\n", each.series, strings.Trim(fmt.Sprint(each.values), "[]"))
		}
		file.WriteString("    promql_expr_test:\n")
		for minute, firing := range map[int]int{phase - 1: 0, 2*phase - 1: fault.times, 3*phase - 1: 0} {
			fmt.Fprintf(&file, "      - expr: count(ALERTS{alertname=%q,alertstate=\"firing\"}) or vector(0)\n        eval_time: %dm\n        exp_samples: [{labels: '{}', value: %d}]\n",
				fault.alert, minute, firing)
		}
	}
	path := filepath.Join(t.TempDir(), "alerts_test.yml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := tool(t, "", "promtool", "test", "rules", path); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (\w+)$`)

// Each alert is tested, says what is wrong and what to do, and has its place in the manual.
func TestEveryAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	var tested, alerts []string
	for _, fault := range faults {
		tested = append(tested, fault.alert)
	}
	headings := map[string]bool{}
	for _, each := range heading.FindAllStringSubmatch(read(t, "docs/monitoring.md"), -1) {
		headings[each[1]] = true
	}
	for _, each := range rules(t) {
		if each.Alert == "" {
			continue
		}
		alerts = append(alerts, each.Alert)
		if each.Annotations["summary"] == "" || each.Annotations["description"] == "" || !slices.Contains([]string{"critical", "warning", "info"}, each.Labels["severity"]) {
			t.Errorf("%s lacks a summary, a description or a severity", each.Alert)
		}
		if want := "docs/monitoring.md#" + strings.ToLower(each.Alert); each.Annotations["runbook"] != want || !headings[each.Alert] {
			t.Errorf("%s: the runbook is %s, and should be %s; it is there: %t", each.Alert, each.Annotations["runbook"], want, headings[each.Alert])
		}
	}
	slices.Sort(tested)
	slices.Sort(alerts)
	if !slices.Equal(tested, alerts) {
		t.Errorf("there are %v, and tested are %v", alerts, tested)
	}
}

func TestPrometheusConfiguration(t *testing.T) {
	t.Parallel()
	if said, err := tool(t, "", "promtool", "check", "config", filepath.Join(stack.Root(t), "deploy/prometheus/prometheus.yml")); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

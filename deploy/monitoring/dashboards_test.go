package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

// asked is a query of a dashboard, as its file has it.
type asked struct{ where, expr, legend string }

// dashboardQueries reads all of them.
func dashboardQueries(t *testing.T) []asked {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(stack.Root(t), "deploy/grafana/*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d dashboards, %v", len(paths), err)
	}
	var all []asked
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, panel := range file.Panels {
			for _, target := range panel.Targets {
				all = append(all, asked{filepath.Base(path) + ", " + panel.Title, variables.Replace(target.Expr), target.LegendFormat})
			}
		}
	}
	return all
}

// variables are what Grafana puts in their places.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__range", "30m", "$upstream", ".*")

func TestDashboardsAreGenerated(t *testing.T) {
	t.Parallel()
	for _, each := range dashboards() {
		want, err := each.render()
		if err != nil {
			t.Fatal(err)
		}
		if read(t, "deploy/grafana/"+each.file()) != string(want) {
			t.Errorf(`%s is not what the code says: run "make generate"`, each.file())
		}
	}
}

// Every query can be read.
func TestQueriesParse(t *testing.T) {
	var file strings.Builder
	file.WriteString("groups:\n  - name: queries\n    rules:\n")
	for i, each := range dashboardQueries(t) {
		fmt.Fprintf(&file, "      - record: query_%d\n        expr: %q\n", i, each.expr)
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := tool(t, "", "promtool", "check", "rules", path); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// A line's name is made of labels that the query keeps.
func TestLegendsNameLabels(t *testing.T) {
	t.Parallel()
	label := regexp.MustCompile(`{{(\w+)}}`)
	for _, each := range dashboardQueries(t) {
		for _, named := range label.FindAllStringSubmatch(each.legend, -1) {
			kept := regexp.MustCompile(`by \([^)]*\b` + named[1] + `\b`).MatchString(each.expr)
			if own := named[1] == "job" || named[1] == "instance"; !kept && !own {
				t.Errorf("%s: %q, and %s has no %s", each.where, each.legend, each.expr, named[1])
			}
		}
	}
}

var (
	quoted     = regexp.MustCompile(`"[^"]*"`)
	selector   = regexp.MustCompile(`{[^}]*}`)
	grouping   = regexp.MustCompile(`\b(by|on|without|ignoring|group_left|group_right) ?\([^)]*\)`)
	duration   = regexp.MustCompile(`\[[^\]]*\]`)
	identifier = regexp.MustCompile(`\b[a-zA-Z_][\w:]*( ?\()?`)
)

// operators are words of the language that may stand without a parenthesis.
var operators = []string{"and", "or", "unless", "bool", "offset", "sum", "min", "max", "count"}

// metricsOf are the names of the metrics in a query.
func metricsOf(expr string) []string {
	for _, part := range []*regexp.Regexp{quoted, selector, grouping, duration} {
		expr = part.ReplaceAllString(expr, "")
	}
	var names []string
	for _, word := range identifier.FindAllString(expr, -1) {
		if !strings.HasSuffix(word, "(") && !slices.Contains(operators, word) {
			names = append(names, word)
		}
	}
	return names
}

func TestMetricsOf(t *testing.T) {
	t.Parallel()
	got := metricsOf(`histogram_quantile(0.9, sum by (le, job) (rate(a_bucket{x="b_total"}[5m]))) / on (job) c:d:max > 0 and time() - e < 1e3 or vector(0)`)
	if want := []string{"a_bucket", "c:d:max", "e"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// namesAreThere checks that rules and dashboards name only metrics that there are.
func namesAreThere(t *testing.T, r running) {
	t.Helper()
	known := map[string]bool{"up": true, "ALERTS": true}
	for _, of := range []scraped{r.gateway, r.tokenstore} {
		for name := range of.names() {
			known[name] = true
		}
	}
	queries := dashboardQueries(t)
	for _, each := range rules(t) {
		if each.Record != "" {
			known[each.Record] = true
		}
		queries = append(queries, asked{where: each.Record + each.Alert, expr: each.Expr})
	}
	for _, each := range queries {
		names := metricsOf(each.expr)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing: %s", each.where, each.expr)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s asks for %s, which nobody tells", each.where, name)
			}
		}
	}
}

// showsSomething runs the dashboards' queries on what the services told, with counters that go up
// and no gauge at 0: as if all of it happened.
func showsSomething(t *testing.T, r running) {
	t.Helper()
	var file strings.Builder
	fmt.Fprintf(&file, "rule_files: [%q]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n", filepath.Join(stack.Root(t), rulesFile))
	for job, of := range map[string]scraped{"carousel-gateway": r.gateway, "carousel-tokenstore": r.tokenstore} {
		fmt.Fprintf(&file, "      - series: 'up{job=%q,instance=\"1\"}'\n        values: 1+0x40\n", job)
		of.record(&file, job)
	}
	file.WriteString("    promql_expr_test:\n")
	for _, each := range dashboardQueries(t) {
		fmt.Fprintf(&file, "      - expr: %q\n        eval_time: 35m\n        exp_samples: [{labels: '{}', value: 1}]\n", "count("+each.expr+") > bool 0")
	}
	path := filepath.Join(t.TempDir(), "dashboards_test.yml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := tool(t, "", "promtool", "test", "rules", path); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// record writes what was told as series of half an hour and more.
func (s scraped) record(file *strings.Builder, job string) {
	for line := range strings.Lines(s.text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		name, labels, _ := strings.Cut(line[:at], "{")
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			continue
		}
		if labels = strings.TrimSuffix(labels, "}"); labels != "" {
			labels += ","
		}
		step := 0
		if of := s.families[name]; of == nil || of.kind == "counter" { // of a histogram are its parts
			step = 1
		} else {
			value = max(value, 1)
		}
		fmt.Fprintf(file, "      - series: '%s{%sjob=%q,instance=\"1\"}'\n        values: %g+%dx40\n", name, labels, job, value, step)
	}
}

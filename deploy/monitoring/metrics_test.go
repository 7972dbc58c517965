package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

// What both services tell is what Prometheus takes, what the manual says, and what rules and
// dashboards ask for.
func TestMetrics(t *testing.T) {
	r := run(t)
	for name, of := range map[string]scraped{"gateway": r.gateway, "tokenstore": r.tokenstore} {
		t.Run("promtool takes those of the "+name, func(t *testing.T) {
			if said, err := tool(t, of.text, "promtool", "check", "metrics"); err != nil || strings.TrimSpace(said) != "" {
				t.Errorf("%v\n%s", err, said)
			}
		})
		t.Run("the manual has those of the "+name, func(t *testing.T) { sameAsManual(t, of, "carousel_"+name+"_") })
	}
	t.Run("queries name what is there", func(t *testing.T) { namesAreThere(t, r) })
	t.Run("queries of the dashboards show something", func(t *testing.T) { showsSomething(t, r) })
}

// manualRow is a row of the manual's tables: name, type, labels, what it is.
var manualRow = regexp.MustCompile("(?m)^\\| `(carousel_\\w+)` \\| (\\w+) \\| ([^|]*) \\| ([^|]+) \\|$")

// row is how the manual has a family.
func (f *family) row(name string) string {
	labels := make([]string, 0, len(f.labels))
	for label := range f.labels {
		labels = append(labels, "`"+label+"`")
	}
	slices.Sort(labels)
	return "| `" + name + "` | " + f.kind + " | " + strings.Join(labels, ", ") + " | " + f.help + " |"
}

// sameAsManual compares what is scraped with the tables of the manual.
func sameAsManual(t *testing.T, of scraped, prefix string) {
	t.Helper()
	manual := map[string]string{}
	for _, row := range manualRow.FindAllStringSubmatch(read(t, "docs/monitoring.md"), -1) {
		if strings.HasPrefix(row[1], prefix) {
			manual[row[1]] = row[0]
		}
	}
	for _, name := range of.ours() {
		if want := of.families[name].row(name); manual[name] != want {
			t.Errorf("the manual should have\n%s\nand has\n%s", want, manual[name])
		}
		delete(manual, name)
	}
	for name := range manual {
		t.Errorf("the manual has %s, which no service tells", name)
	}
}

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(stack.Root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

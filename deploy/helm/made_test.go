package helm

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write what is made from the chart")

// Files that are made from the chart are those of the present chart.
func TestMadeFilesAreCurrent(t *testing.T) {
	t.Parallel()
	base := strings.Join(mustRender(t, load(t), `
secrets: {existing: carousel-secrets}
redis: {existingSecret: carousel-redis}`), "---\n")
	isCurrent(t, "../kustomize/base/carousel.yaml", func(string) string {
		return "# Rendered from the Helm chart by \"make chart\".\n" + base
	})
	isCurrent(t, "../../docs/kubernetes.md", func(manual string) string {
		return table.ReplaceAllLiteralString(manual, "<!-- values -->\n"+tableOfValues(t)+"<!-- end of values -->")
	})
}

// table is where the manual has the values.
var table = regexp.MustCompile(`(?s)<!-- values -->.*<!-- end of values -->`)

func isCurrent(t *testing.T, path string, made func(now string) string) {
	t.Helper()
	now, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	wanted := made(string(now))
	if wanted == string(now) {
		return
	}
	if !*update {
		t.Errorf("%s is stale: run \"make chart\"", path)
		return
	}
	if err := os.WriteFile(path, []byte(wanted), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tableOfValues has each value of the chart, with what its comment says.
func tableOfValues(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("carousel/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	rows.WriteString("| value | default | what |\n|---|---|---|\n")
	addRows(&rows, "", file.Content[0])
	return rows.String()
}

// addRows adds a row for each value that is no group of others.
func addRows(rows *strings.Builder, prefix string, group *yaml.Node) {
	for i := 0; i+1 < len(group.Content); i += 2 {
		key, value := group.Content[i], group.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
			if about := said(key); about != "" {
				fmt.Fprintf(rows, "| **`%s`** | | %s |\n", name, about)
			}
			addRows(rows, name+".", value)
			continue
		}
		fmt.Fprintf(rows, "| `%s` | %s | %s |\n", name, shown(value), said(key))
	}
}

// said is the comment above a key, in one line.
func said(key *yaml.Node) string {
	paragraphs := strings.Split(key.HeadComment, "\n\n")
	lines := strings.Split(paragraphs[len(paragraphs)-1], "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(strings.TrimPrefix(line, "#"))
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

func shown(value *yaml.Node) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	line := strings.Join(strings.Fields(string(text)), " ")
	if line == `""` {
		return "none"
	}
	return "`" + line + "`"
}

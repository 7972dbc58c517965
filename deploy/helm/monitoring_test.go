package helm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"
)

// The alerts are those of the file that Prometheus reads elsewhere.
func TestAlertsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var wanted any
	if err := yaml.Unmarshal(text, &wanted); err != nil {
		t.Fatal(err)
	}
	rule := oneOf(t, "PrometheusRule", "carousel")
	if !reflect.DeepEqual(rule["spec"], wanted) {
		t.Error("the rule has other alerts")
	}
}

// Each dashboard is there as it is.
func TestDashboardsAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../grafana/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	data, _ := oneOf(t, "ConfigMap", "carousel-dashboards")["data"].(map[string]any)
	if len(data) != len(files) {
		t.Errorf("%d of %d dashboards", len(data), len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var wanted, made any
		if err := json.Unmarshal(text, &wanted); err != nil {
			t.Fatal(err)
		}
		name := "carousel-" + filepath.Base(file)
		shown, _ := data[name].(string)
		if err := json.Unmarshal([]byte(shown), &made); err != nil || !reflect.DeepEqual(made, wanted) {
			t.Errorf("%s is another one: %v", name, err)
		}
	}
}

// oneOf returns the object of that kind and name.
func oneOf(t *testing.T, kind, name string) map[string]any {
	t.Helper()
	values := `{redis: {trial: {enabled: true}}, alerts: {enabled: true}, dashboards: {enabled: true}}`
	for _, document := range mustRender(t, load(t), values) {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
		}
		var whole map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(document), &whole); err != nil {
			t.Fatal(err)
		}
		if object.Kind == kind && object.Metadata.Name == name {
			return whole
		}
	}
	t.Fatalf("no %s %s", kind, name)
	return nil
}

package notify

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Alerts are called, and weighed, as in the rules for Prometheus.
func TestRulesAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	holdLine, severityLine := regexp.MustCompile(`(?m)^ +for: (\S+)$`), regexp.MustCompile(`severity: (\w+)`)
	there := map[string]rule{}
	for _, part := range strings.Split(string(text), "- alert: ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		known := rule{name: name, severity: Severity(severityLine.FindStringSubmatch(body)[1])}
		if hold := holdLine.FindStringSubmatch(body); hold != nil {
			if known.hold, err = time.ParseDuration(hold[1]); err != nil {
				t.Fatal(err)
			}
		}
		there[name] = known
	}
	for _, ours := range rules {
		theirs, known := there[ours.name]
		if ours.name == Degraded { // known afterwards, so it is told at once
			theirs.hold = 0
		}
		if !known || ours != theirs {
			t.Errorf("ours is %+v, Prometheus' %+v", ours, theirs)
		}
		if ours.hold > LongestHold {
			t.Errorf("%s waits for longer than LongestHold", ours.name)
		}
	}
}

// Each alert is said in each language, of the same facts.
func TestWords(t *testing.T) {
	t.Parallel()
	placeholder := regexp.MustCompile(`\{\w+\}`)
	facts := func(said phrase) []string {
		found := placeholder.FindAllString(said.summary+said.description, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	for _, name := range Names() {
		if english, chinese := facts(phrases[English][name]), facts(phrases[Chinese][name]); !slices.Equal(english, chinese) {
			t.Errorf("%s: %v in English, %v in Chinese", name, english, chinese)
		}
		for language := range phrases {
			a := Alert{Name: name, Labels: map[string]string{UpstreamLabel: "up", KindLabel: "kind", PeriodLabel: "day", UnitLabel: "usd"}, Count: 3, Of: 7, Detail: "detail"}
			summary, description := Words(a, language)
			if summary == "" || description == "" || placeholder.MatchString(summary+description) {
				t.Errorf("%s in %s: %q, %q", name, language, summary, description)
			}
		}
	}
	if summary, description := Words(Alert{Name: "CarouselLater", Detail: "x"}, "fr"); summary != "CarouselLater" || description != "x" {
		t.Errorf("what is not known is said as %q, %q", summary, description)
	}
}

func TestFingerprintsTellAlertsApart(t *testing.T) {
	t.Parallel()
	dry := func(upstream string, count uint64) string {
		return Alert{Name: PoolDry, Labels: map[string]string{UpstreamLabel: upstream}, Count: count}.Fingerprint()
	}
	if dry("a", 1) != dry("a", 2) || dry("a", 1) == dry("b", 1) || dry("a", 1) == (Alert{Name: PoolShort, Labels: map[string]string{UpstreamLabel: "a"}}).Fingerprint() {
		t.Error("an alert is taken for another one")
	}
}

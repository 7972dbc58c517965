package cursor

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]upstream.Config{
		"defaults":      {},
		"trailing path": {BaseURL: "http://localhost:8090/cursor/", Settings: map[string]string{"idle_timeout": "5m"}},
		"all settings": {BaseURL: "https://x", Settings: map[string]string{
			"first_byte_timeout": "1s", "idle_timeout": "1h", "connect_timeout": "2s", "protocol": "agent", "agent_base_url": "https://y",
			"site_url": "https://z", "client_version": "cli-2026.08.11-e8db854", "models": `{"a":"b"}`,
			"structured_tools": "gpt-*", "system_in_text": "", "keep_runs": "10m", "kept_runs_per_token": "64",
		}},
	} {
		driver, err := New(config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		driver.Close()
	}
	for field, config := range map[string]upstream.Config{
		"base_url":                     {BaseURL: "ftp://x"},
		"base_url: names":              {BaseURL: "https:///path"},
		"base_url: not":                {BaseURL: "http://a b"},
		"base_url: must not hold a u":  {BaseURL: "https://user:pass@x"},
		"base_url: must not hold a q":  {BaseURL: "https://x?key=1"},
		"settings.retries: unknown":    {Settings: map[string]string{"retries": "3"}},
		"settings.idle_timeout":        {Settings: map[string]string{"idle_timeout": "soon"}},
		"settings.first_byte_timeout":  {Settings: map[string]string{"first_byte_timeout": "-1s"}},
		"settings.protocol":            {Settings: map[string]string{"protocol": "telnet"}},
		"settings.client_version":      {Settings: map[string]string{"client_version": "0.45.0"}},
		"settings.models":              {Settings: map[string]string{"models": `["a"]`}},
		"settings.keep_runs":           {Settings: map[string]string{"keep_runs": "11m"}},
		"settings.kept_runs_per_token": {Settings: map[string]string{"kept_runs_per_token": "0"}},
		"settings.agent_base_url":      {Settings: map[string]string{"agent_base_url": "https://user:pass@x"}},
	} {
		driver, err := New(config)
		if err == nil || driver != nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
		if err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

// Records from before there was a choice speak to the real upstream in today's protocol, and to
// everything else as they did.
func TestWhatFollowsFromTheRest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config                       upstream.Config
		protocol, agent, site, login string
	}{
		"nothing is set": {
			upstream.Config{}, "agent", "https://agentn.global.api5.cursor.sh", "https://www.cursor.com", "https://cursor.com",
		},
		"the real one, named": {
			upstream.Config{BaseURL: "https://api2.cursor.sh/"}, "agent", "https://agentn.global.api5.cursor.sh", "https://www.cursor.com", "https://cursor.com",
		},
		"another host of the real one": {
			upstream.Config{BaseURL: "https://api3.cursor.sh"}, "agent", "https://api3.cursor.sh", "", "https://api3.cursor.sh",
		},
		"another": {
			upstream.Config{BaseURL: "http://localhost:8090"}, "chat", "http://localhost:8090", "", "http://localhost:8090",
		},
		"another, with all": {
			upstream.Config{BaseURL: "http://localhost:8090", Settings: map[string]string{
				"protocol": "agent", "agent_base_url": "http://localhost:1/", "site_url": "http://localhost:2/",
			}}, "agent", "http://localhost:1", "http://localhost:2", "http://localhost:2",
		},
		"one that looks like it": {
			upstream.Config{BaseURL: "https://cursor.sh.example"}, "chat", "https://cursor.sh.example", "", "https://cursor.sh.example",
		},
	} {
		got, err := parseSettings(test.config)
		if err != nil {
			t.Fatal(err)
		}
		if got.protocol != test.protocol || got.agentBase != test.agent || got.site != test.site || got.login != test.login {
			t.Errorf("%s: %s, %s, %s, %s", name, got.protocol, got.agentBase, got.site, got.login)
		}
	}
}

// Runs are kept where the settings say so, and the protocol has any.
func TestHowManyRunsAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings map[string]string
		want     int
	}{
		"nothing is set":       {map[string]string{"protocol": "agent"}, 0},
		"none":                 {map[string]string{"protocol": "agent", "keep_runs": "0s"}, 0},
		"some":                 {map[string]string{"protocol": "agent", "keep_runs": "2m"}, defaultKept},
		"so many":              {map[string]string{"protocol": "agent", "keep_runs": "2m", "kept_runs_per_token": "2"}, 2},
		"the other protocol's": {map[string]string{"protocol": "chat", "keep_runs": "2m"}, 0},
	} {
		driver, err := New(upstream.Config{Settings: test.settings})
		if err != nil {
			t.Fatal(err)
		}
		if got := driver.(upstream.Keeper).KeepsPerToken(); got != test.want {
			t.Errorf("%s: %d", name, got)
		}
		driver.Close()
	}
}

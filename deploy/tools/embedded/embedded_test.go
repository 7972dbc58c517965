package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"carousel.internal/proto/service/conf"
)

// The gateway serves what the README and the configuration say today.
func TestEmbeddedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	const root = "../../.."
	files, err := contents(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run \"make generate\" (%v)", name, err)
		}
	}
}

// Every key of both services, and everything that the compose file takes, can be found
// in .env.example, and reaches its service.
func TestEveryKeyCanBeSetForContainers(t *testing.T) {
	t.Parallel()
	files, err := contents("../../..")
	if err != nil {
		t.Fatal(err)
	}
	text, listed := files[compose], string(files[compExample])
	fixed := []string{"PORT", "OPS_ADDR", "GRPC_ADDR"} // where the parts find each other
	ofGateway, ofStore := configs()
	for service, config := range map[string]any{"gateway": ofGateway, "tokenstore": ofStore} {
		known := byHand(text, service)
		_, keys, _ := bytes.Cut(text, []byte("# begin of "+service+" keys"))
		keys, _, _ = bytes.Cut(keys, []byte("# end of"))
		for _, key := range append(conf.Keys(config), "config_file") {
			name := strings.ToUpper(key)
			value, set := known[name]
			passed := bytes.Contains(keys, []byte("\n  "+name+":\n"))
			switch {
			case slices.Contains(fileOnly, key) || slices.Contains(fixed, name):
			case set == passed:
				t.Errorf("%s of the %s: set by hand: %v, passed on: %v", name, service, set, passed)
			case set && !strings.Contains(value, "${"+name):
				t.Errorf("%s of the %s can't be set in .env", name, service)
			case !strings.HasSuffix(name, "_FILE") && !strings.Contains(listed, "\n#"+name+"="):
				t.Errorf("%s of the %s is not in .env.example", name, service)
			}
		}
	}
	for _, variable := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllSubmatch(text, -1) {
		if !strings.Contains(listed, "\n#"+string(variable[1])+"=") {
			t.Errorf("%s is not in .env.example", variable[1])
		}
	}
}

func TestAboutPage(t *testing.T) {
	t.Parallel()
	page, err := aboutPage([]byte(`# Title

Text <script>alert(1)</script> [file](docs/x.md) [site](https://example.com) [here](#title) ![picture](x.png) [bad](javascript:alert(1))

| a | b |
|---|---|
| 1 | <b>2</b> |
`))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, want := range []string{`<h1 id="title">Title</h1>`, " file ", `<a href="https://example.com">site</a>`, `<a href="#title">here</a>`, "<table>", " bad"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, unwanted := range []string{"<script", "<img", "docs/x.md", "javascript:", "<b>"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("%q is in\n%s", unwanted, text)
		}
	}
}

func TestEnvExample(t *testing.T) {
	t.Parallel()
	text := string(envExample())
	for _, want := range []string{
		"#PORT=3000\n", "#AUTH_TOKEN=\n", "#VISION_ABILITY=base64\n", "#DEFAULT_INSTRUCTIONS=\n",
		"#LOG_RETENTION_HOURS=0\n", "#TOKEN_FILE=.token\n", "#TOKENSTORE_SECRET=\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for line := range strings.Lines(text) {
		if line != "\n" && !strings.HasPrefix(line, "#") {
			t.Errorf("%q would set something", line)
		}
	}
}

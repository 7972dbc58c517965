package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The gateway serves what the README and the configuration say today.
func TestEmbeddedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	files, err := contents(filepath.Join("../..", readme))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", folder, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run \"make generate\" (%v)", name, err)
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

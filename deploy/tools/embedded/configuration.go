package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	gateway "carousel.internal/gateway/app"
	"carousel.internal/proto/service/conf"
	tokenstore "carousel.internal/tokenstore/app"
)

// configurationHead is what docs/configuration.md says beside the lists of keys.
//
//go:embed configuration-head.txt
var configurationHead []byte

// configurationPage is docs/configuration.md: every key of both services, with its default.
func configurationPage(ofGateway *gateway.Config, ofStore *tokenstore.Config) []byte {
	page := bytes.NewBuffer(slices.Clone(configurationHead))
	defaults := map[string]string{"redis_url": ofStore.RedisURL.Reveal()} // without a password it is no secret
	keyTable(page, "Keys of the gateway", ofGateway, nil)
	keyTable(page, "Keys of the tokenstore", ofStore, defaults)
	return page.Bytes()
}

// keyTable lists the keys of a configuration. Defaults that a secret hides are given.
func keyTable(page *bytes.Buffer, title string, config any, defaults map[string]string) {
	fmt.Fprintf(page, "\n## %s\n\n| key | default | what |\n|---|---|---|\n", title)
	for _, setting := range conf.Settings(config) {
		value, name := setting.Value, "`"+strings.ToUpper(setting.Key)+"`"
		if shown, given := defaults[setting.Key]; given {
			value = shown
		}
		switch {
		case slices.Contains(fileOnly, setting.Key):
			name, value = "`"+setting.Key+"`, in a file only", "none"
		case value == "":
			value = "none"
		default:
			value = "`" + value + "`"
		}
		fmt.Fprintf(page, "| %s | %s | %s |\n", name, value, cellText.Replace(setting.Doc))
	}
}

// cellText keeps a text from ending a cell, or being read as HTML.
var cellText = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;")

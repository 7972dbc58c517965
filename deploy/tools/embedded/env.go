package main

import (
	"bytes"
	"fmt"
	"strings"

	gateway "carousel.internal/gateway/app"
	"carousel.internal/proto/service/conf"
	tokenstore "carousel.internal/tokenstore/app"
)

const envHead = `# Carousel: what can be set in the environment.
#
# Copy what you want to change into a file .env beside docker-compose.yml, or into the environment, and remove the leading #. The values here are the
# defaults. The same keys, in lower case, can stand in a YAML, TOML or JSON file that CONFIG_FILE names; of the environment and the file, the
# environment wins. A key that is a secret can be read from a file: its name with _FILE at the end then holds the path.
#
# "First value" means: an admin can change it while everything runs (POST /config, the admin pages, the admin API), and what the admin has chosen then
# holds; a reset brings it back to the value given here.
`

// envExample lists the keys of both services with their defaults.
func envExample() []byte {
	silent := func(string) (string, bool) { return "", false }
	// What is required and missing is no matter here.
	ofGateway, _ := gateway.LoadConfig("", silent)
	ofStore, _ := tokenstore.LoadConfig("", silent)
	file := bytes.NewBufferString(envHead)
	section(file, "The gateway", &ofGateway)
	section(file, "The tokenstore", &ofStore)
	return file.Bytes()
}

func section(file *bytes.Buffer, title string, config any) {
	fmt.Fprintf(file, "\n# %s\n# %s\n", title, strings.Repeat("=", len(title)))
	for _, setting := range conf.Settings(config) {
		if setting.Key == "upstreams" { // a list of objects: only a file can hold it
			fmt.Fprintf(file, "\n# The list `upstreams` can only stand in a file: %s\n", setting.Doc)
			continue
		}
		fmt.Fprintf(file, "\n# %s\n#%s=%s\n", setting.Doc, strings.ToUpper(setting.Key), quoted(setting.Value))
	}
}

// quoted is the value as a line of an environment file has it.
func quoted(value string) string {
	if strings.ContainsAny(value, " #$\"'") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
	}
	return value
}

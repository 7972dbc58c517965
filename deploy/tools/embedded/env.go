package main

import (
	"bytes"
	"fmt"
	"slices"
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

// fileOnly are lists of objects: only a file can hold them.
var fileOnly = []string{"upstreams", "routes"}

// configs are the configurations of both services with nothing set.
func configs() (ofGateway *gateway.Config, ofStore *tokenstore.Config) {
	silent := func(string) (string, bool) { return "", false }
	// What is required and missing is no matter here.
	gatewayConfig, _ := gateway.LoadConfig("", silent)
	storeConfig, _ := tokenstore.LoadConfig("", silent)
	return &gatewayConfig, &storeConfig
}

// envExample lists the keys of both services with their defaults.
func envExample() []byte {
	ofGateway, ofStore := configs()
	file := bytes.NewBufferString(envHead)
	section(file, "The gateway", ofGateway, nil)
	section(file, "The tokenstore", ofStore, nil)
	return file.Bytes()
}

// section lists the keys of a configuration. Where the compose file sets some by hand,
// its default is shown of those that it lets .env replace, and none of the others.
func section(file *bytes.Buffer, title string, config any, byHand map[string]string) {
	fmt.Fprintf(file, "\n# %s\n# %s\n", title, strings.Repeat("=", len(title)))
	for _, setting := range conf.Settings(config) {
		name, value := strings.ToUpper(setting.Key), quoted(setting.Value)
		if slices.Contains(fileOnly, setting.Key) {
			fmt.Fprintf(file, "\n# The list `%s` can only stand in a file: %s\n", setting.Key, setting.Doc)
			continue
		}
		if set, fixed := byHand[name]; fixed {
			replaceable := settable.FindStringSubmatch(set)
			if replaceable == nil {
				continue
			}
			value = replaceable[2]
		}
		fmt.Fprintf(file, "\n# %s\n#%s=%s\n", setting.Doc, name, value)
	}
}

// quoted is the value as a line of an environment file has it.
func quoted(value string) string {
	if strings.ContainsAny(value, " #$\"'") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
	}
	return value
}

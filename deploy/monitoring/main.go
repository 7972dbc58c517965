// Command monitoring writes Grafana's dashboards to deploy/grafana. Its tests hold what both
// services tell against the manual, the alerts and the dashboards.
//
//	go run ./deploy/monitoring
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	folder := flag.String("folder", "deploy/grafana", "where the dashboards go")
	flag.Parse()
	for _, each := range dashboards() {
		text, err := each.render()
		if err == nil {
			err = os.WriteFile(filepath.Join(*folder, each.file()), text, 0o644) //nolint:gosec // a file of the repository
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// render makes a dashboard's file.
func (d dashboard) render() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(d.grafana())
	return text.Bytes(), err
}

// Command notices writes what the programs' users are owed of the modules that are
// linked into them: their licences (`make notices`), and a bill of materials
// (`make sbom`).
//
//	notices -notices FILE [-check]   the licence texts; -check only tells whether FILE has them
//	notices -sbom FILE -version V    a CycloneDX document
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
)

// root is the repository, as seen from the module's folder.
const root = ".."

func main() {
	notices := flag.String("notices", "", "")
	check := flag.Bool("check", false, "")
	sbom := flag.String("sbom", "", "")
	version := flag.String("version", "dev", "")
	flag.Parse()
	if err := run(*notices, *sbom, *version, *check); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(notices, sbom, version string, check bool) error {
	modules, err := linked(root)
	if err != nil {
		return err
	}
	if notices != "" {
		text := noticesOf(modules)
		if check {
			there, err := os.ReadFile(notices)
			if err != nil {
				return err
			}
			if !bytes.Equal(there, text) {
				return errors.New(notices + " is stale: run \"make notices\"")
			}
		} else if err := os.WriteFile(notices, text, 0o644); err != nil { //nolint:gosec // a document
			return err
		}
	}
	if sbom == "" {
		return nil
	}
	text, err := bomOf(modules, version)
	if err != nil {
		return err
	}
	return os.WriteFile(sbom, text, 0o644) //nolint:gosec // a document
}

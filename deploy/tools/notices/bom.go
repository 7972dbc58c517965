package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// The parts of a CycloneDX document that are written here.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type     string    `json:"type"`
		Ref      string    `json:"bom-ref"`
		Name     string    `json:"name"`
		Version  string    `json:"version,omitempty"`
		PURL     string    `json:"purl,omitempty"`
		Licenses []license `json:"licenses,omitempty"`
	}
	license struct {
		License licenseID `json:"license"`
	}
	licenseID struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// bomOf describes the programs of a version and what is linked into each.
func bomOf(modules []*module, version string) ([]byte, error) {
	const product = "carousel"
	document := bom{Format: "CycloneDX", Spec: "1.5", Version: 1}
	document.Metadata.Component = component{
		Type: "application", Ref: product, Name: product, Version: version, Licenses: []license{{licenseID{ID: "MIT"}}},
	}
	parts := map[string][]string{}
	for _, each := range modules {
		of := component{Type: "library", Name: each.Path, Version: each.Version, Licenses: licensesOf(each)}
		if each.Path == standard {
			of.Version = strings.TrimPrefix(runtime.Version(), "go")
		}
		of.PURL = "pkg:golang/" + each.Path + "@" + of.Version
		of.Ref = of.PURL
		document.Components = append(document.Components, of)
		for _, program := range each.Programs {
			parts[program] = append(parts[program], of.Ref)
		}
	}
	var names []string
	for _, mains := range programs {
		for _, main := range mains {
			names = append(names, main[strings.LastIndex(main, "/")+1:])
		}
	}
	slices.Sort(names)
	for _, name := range names {
		document.Components = append(document.Components, component{Type: "application", Ref: product + "/" + name, Name: name, Version: version})
		document.Dependencies = append(document.Dependencies, dependency{product + "/" + name, parts[name]})
	}
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the bill of materials: %w", err)
	}
	return append(text, '\n'), nil
}

// marks are what a licence's text says and others' don't; the first that fits counts.
var marks = []struct{ id, says string }{
	{"Apache-2.0", "Apache License"},
	{"MPL-2.0", "Mozilla Public License"},
	{"MIT", "Permission is hereby granted, free of charge"},
	{"BSD-3-Clause", "may be used to endorse or promote products"},
	{"BSD-2-Clause", "Redistributions in binary form must reproduce"},
	{"ISC", "Permission to use, copy, modify, and/or distribute"},
}

// licensesOf names the licences of a module by their SPDX ids.
func licensesOf(of *module) []license {
	var licenses []license
	for _, text := range of.Texts {
		plain := strings.Join(strings.Fields(text.content), " ")
		for _, mark := range marks {
			if strings.Contains(plain, mark.says) {
				if found := (license{licenseID{ID: mark.id}}); !slices.Contains(licenses, found) {
					licenses = append(licenses, found)
				}
				break
			}
		}
	}
	if len(licenses) == 0 {
		licenses = []license{{licenseID{Name: "see " + of.Texts[0].name}}}
	}
	return licenses
}

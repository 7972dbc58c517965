package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const mit = "Permission is hereby granted, free\nof charge, to any person"

var some = []*module{
	{Path: "example.com/a", Version: "v1.2.3", Programs: []string{"gateway"}, Texts: []text{{"LICENSE", mit}}},
	{Path: "example.com/b", Version: "v2.0.0", Programs: []string{"gateway", "tokenstore"}, Texts: []text{{"LICENSE", mit}, {"NOTICE", "by B"}}},
	{Path: standard, Programs: []string{"gateway"}, Texts: []text{{"LICENSE", "Redistributions in binary form must reproduce"}}},
}

func TestEachTextStandsOnceUnderItsModules(t *testing.T) {
	t.Parallel()
	got := string(noticesOf(some))
	for _, want := range []string{"example.com/a v1.2.3\nexample.com/b v2.0.0\n\n" + mit, "example.com/b v2.0.0\n\nby B", "The Go standard library\n\nRedistributions"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Count(got, mit) != 1 {
		t.Errorf("a text is repeated:\n%s", got)
	}
}

func TestBillOfMaterials(t *testing.T) {
	t.Parallel()
	text, err := bomOf(some, "v9")
	if err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	licences := map[string]string{}
	for _, each := range got.Components {
		if len(each.Licenses) > 0 {
			licences[each.Name] = each.Licenses[0].License.ID
		}
	}
	if licences["example.com/a"] != "MIT" || licences[standard] != "BSD-2-Clause" {
		t.Errorf("licences %v", licences)
	}
	for _, each := range got.Dependencies {
		if each.Ref == "carousel/tokenstore" && (len(each.DependsOn) != 1 || each.DependsOn[0] != "pkg:golang/example.com/b@v2.0.0") {
			t.Errorf("%+v", each)
		}
	}
	if got.Format != "CycloneDX" || got.Metadata.Component.Version != "v9" {
		t.Errorf("%+v", got)
	}
}

// Every licence is one that is known by name: a new kind is looked at by a person.
func TestTheLicencesOfToday(t *testing.T) {
	t.Parallel()
	modules, err := linked("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) < 20 {
		t.Errorf("only %d modules", len(modules))
	}
	for _, each := range modules {
		for _, of := range licensesOf(each) {
			if of.License.ID == "" {
				t.Errorf("%s has an unknown licence: %s", each.Path, of.License.Name)
			}
		}
	}
}

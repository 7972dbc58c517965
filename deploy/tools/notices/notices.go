package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const noticesHead = `Carousel's programs contain code of the modules below, under the licences that follow
each group of them. Made by "make notices"; Carousel's own licence is in LICENSE.
`

// noticesOf is every licence text once, under the modules that it is of.
func noticesOf(modules []*module) []byte {
	var order []string
	of := map[string][]string{}
	for _, each := range modules {
		name := strings.TrimSpace(each.Path + " " + each.Version)
		if each.Path == standard {
			name = "The Go standard library"
		}
		for _, text := range each.Texts {
			if !slices.Contains(order, text.content) {
				order = append(order, text.content)
			}
			of[text.content] = append(of[text.content], name)
		}
	}
	file := bytes.NewBufferString(noticesHead)
	for _, content := range order {
		fmt.Fprintf(file, "\n%s\n\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(of[content], "\n"), content)
	}
	return file.Bytes()
}

package redisstore

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/clientkey"
	"carousel.internal/tokenstore/internal/testredis"
)

// BenchmarkListClientKeys tells what a page, a search, a list after a change and the first list
// of a tokenstore take.
func BenchmarkListClientKeys(b *testing.B) {
	const size = 10_000
	client := testredis.Start(b)
	store := newStore(b, client)
	id := writeClientKeys(b, store, size)
	list := func(store *Store, query string) {
		page, err := store.ListClientKeys(b.Context(), ClientKeyFilter{Query: query}, 100, "")
		if err != nil || query == "" && page.Total != size {
			b.Fatal(page.Total, err)
		}
	}
	list(store, "")
	for name, run := range map[string]func(){
		"page":   func() { list(store, "") },
		"search": func() { list(store, "name of key 77") },
		"first":  func() { list(New(client, Options{Keys: store.keys, Logger: store.log}), "") },
		"after a change": func() {
			if _, err := store.UpdateClientKey(b.Context(), id, &tokenstorev1.ClientKey{Tags: []string{"t"}}, []string{"tags"}, 0); err != nil {
				b.Fatal(err)
			}
			list(store, "")
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				run()
			}
		})
	}
}

// writeClientKeys makes many keys, and returns the id of one.
func writeClientKeys(b *testing.B, store *Store, size int) string {
	b.Helper()
	var id string
	for done := 0; done < size; done += 1000 {
		round := store.batch()
		for i := range 1000 {
			id = clientkey.NewID()
			record, err := proto.Marshal(&tokenstorev1.ClientKey{Name: fmt.Sprint("Name of key ", done+i), Tags: []string{"team", fmt.Sprint("tag", i%10)}})
			if err != nil {
				b.Fatal(err)
			}
			made := clientkey.NewSecret(id)
			round.add(createClientKeyScript, allClientKeyKeys(id), id, record, hashOf(made), clientkey.Masked(made), clientkey.MaxKeys, poolChannel)
		}
		if err := round.exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return id
}

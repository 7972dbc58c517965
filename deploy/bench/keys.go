package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
)

// keyWorkloads are what shows the cost of a client key.
var keyWorkloads = []workload{atLoad, people}

// clientKey is Carousel, asked with a client key without limits.
func (b *bench) clientKey(ctx context.Context) (*system, error) {
	return b.carouselBy(ctx, map[string]any{"name": clientKey})
}

// budgetKey is Carousel, asked with a client key that has more to spend than can be spent.
func (b *bench) budgetKey(ctx context.Context) (*system, error) {
	return b.carouselBy(ctx, map[string]any{
		"name": budgetKey, "budgets": []map[string]any{{"unit": "usd", "amount": "1000000", "period": "month"}},
	})
}

// carouselBy is Carousel, asked by whoever has a new client key.
func (b *bench) carouselBy(ctx context.Context, form map[string]any) (*system, error) {
	at := slices.IndexFunc(b.systems, func(s *system) bool { return s.name == carousel })
	if at < 0 {
		return nil, errors.New("there are client keys only where Carousel is measured")
	}
	s := *b.systems[at]
	text, err := call(ctx, http.MethodPost, "http://"+s.addr+"/admin/api/keys", s.key, form)
	if err != nil {
		return nil, err
	}
	var made struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return nil, err
	}
	s.key, s.shared, s.profiled, s.only = made.Secret, true, nil, keyWorkloads
	return &s, nil
}

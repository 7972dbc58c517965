package app

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
)

// observe is what this tokenstore knows now of all that alerts are about.
func (t *Tokenstore) observe(ctx context.Context) (notify.Observation, error) {
	pools, err := t.store.AllPools(ctx)
	if err != nil {
		return notify.Observation{}, err
	}
	replicas, err := t.store.Replicas(ctx)
	if err != nil {
		return notify.Observation{}, err
	}
	seen := notify.Observation{Pools: pools, Replicas: replicas}
	for _, warning := range t.keeper.known() {
		seen.Warnings = append(seen.Warnings, &tokenstorev1.StoreWarning{Kind: string(warning.Kind), Text: warning.Text})
	}
	return seen, nil
}

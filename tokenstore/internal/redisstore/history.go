package redisstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
)

var (
	undoScript    = newScript("undo")
	releaseScript = newScript("release")
)

const (
	// keepTransitions bounds the history of a token.
	keepTransitions = 32
	// maxUndone bounds the tokens that one call of the undo script looks at.
	maxUndone = 64
)

// Transitions returns a token's history, newest first.
func (s *Store) Transitions(ctx context.Context, id string) ([]*tokenstorev1.Transition, error) {
	t, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	entries, err := s.client.XRevRangeN(ctx, historyKey(t.upstream, id), "+", "-", keepTransitions).Result()
	if err != nil {
		return nil, storeError("read a history", err)
	}
	transitions := make([]*tokenstorev1.Transition, len(entries))
	for i, entry := range entries {
		transitions[i] = transitionFrom(entry)
	}
	return transitions, nil
}

func transitionFrom(entry redis.XMessage) *tokenstorev1.Transition {
	f := fields{}
	for name, value := range entry.Values {
		f[name], _ = value.(string)
	}
	stamp, _, _ := strings.Cut(entry.ID, "-")
	at, _ := strconv.ParseInt(stamp, 10, 64) // Redis's own id
	return &tokenstorev1.Transition{
		At: timestamppb.New(time.UnixMilli(at)), Kind: f["kind"], Class: f["class"], Model: f["model"],
		Until: timestamp(f.time("until")), RequestId: f["request"], Detail: f["detail"], Replica: f["replica"], By: f["by"],
	}
}

// UndoTransitions undoes what a class of outcome did to tokens within a time, and
// returns how many transitions that were.
func (s *Store) UndoTransitions(ctx context.Context, undo leasing.Undo) (int, error) {
	if err := checkUndo(undo); err != nil {
		return 0, err
	}
	byUpstream, err := s.undoTargets(ctx, undo.Upstream, "")
	if err != nil {
		return 0, err
	}
	undone := 0
	for upstream, tokens := range byUpstream {
		undo.Upstream = upstream
		n, err := s.undoIn(ctx, undo, tokens)
		undone += n
		if err != nil {
			return undone, err
		}
	}
	return undone, s.barrier.Sync(ctx)
}

// UndoTokenTransitions is UndoTransitions for one token, whatever upstream undo names.
func (s *Store) UndoTokenTransitions(ctx context.Context, id string, undo leasing.Undo) (int, error) {
	err := checkUndo(undo)
	if err == nil {
		undo.Upstream, err = s.homeOf(ctx, id)
	}
	if err != nil {
		return 0, err
	}
	undone, err := s.undoIn(ctx, undo, []string{id})
	if err != nil {
		return undone, err
	}
	return undone, s.barrier.Sync(ctx)
}

func checkUndo(undo leasing.Undo) error {
	if undo.Class == "" || undo.To.Before(undo.From) {
		return rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "a class of outcome and a time are needed, the time's end after its begin")
	}
	return nil
}

// undoIn is UndoTransitions for these tokens of one upstream. It does not wait for the
// disk.
func (s *Store) undoIn(ctx context.Context, undo leasing.Undo, tokens []string) (int, error) {
	undone := 0
	for ids := range slices.Chunk(tokens, maxUndone) {
		args := []any{undo.Upstream, undo.Class, undo.From.UnixMilli(), undo.To.UnixMilli(), undo.By, keepTransitions, poolChannel}
		for _, id := range ids {
			args = append(args, id)
		}
		n, err := undoScript.run(ctx, s.client, []string{clockKey(undo.Upstream)}, args...).Int()
		undone += n
		if err != nil {
			return undone, storeError("undo transitions", err)
		}
	}
	return undone, nil
}

// ReleaseToken brings a token back that cools, is probed or is parked.
func (s *Store) ReleaseToken(ctx context.Context, id, by string) (*tokenstorev1.Token, error) {
	upstream, err := s.homeOf(ctx, id)
	if err != nil {
		return nil, err
	}
	keys := []string{tokenKey(upstream, id), historyKey(upstream, id), clockKey(upstream), orderKey(upstream), coolingKey(upstream)}
	released, err := releaseScript.run(ctx, s.client, keys, id, by, keepTransitions, poolChannel).Bool()
	if err != nil {
		return nil, storeError("release a token", err)
	}
	if !released {
		return nil, noToken(id)
	}
	if err := s.barrier.Sync(ctx); err != nil {
		return nil, err
	}
	return s.Token(ctx, id)
}

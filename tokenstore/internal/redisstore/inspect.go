package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// WarningKind names what a Warning is about, for metrics and pages.
type WarningKind string

// The kinds of warnings.
const (
	// NotDurable: what was acknowledged may be lost with the server.
	NotDurable WarningKind = "not_durable"
	// Evicts: a full server deletes data instead of refusing writes.
	Evicts WarningKind = "evicts"
	// NearlyFull: the server is close to its maxmemory.
	NearlyFull WarningKind = "nearly_full"
	// ForgedUpstream: an upstream's record was written by somebody without the seal key.
	ForgedUpstream WarningKind = "forged_upstream"
	// Vanished: the server has deleted something of ours.
	Vanished WarningKind = "vanished"
	// LogAway: the log's Redis can't be used, so that its entries wait.
	LogAway WarningKind = "log_away"
	// PartlyAway: some primaries of a Cluster can't be reached.
	PartlyAway WarningKind = "partly_away"
)

// WarningKinds are all of them.
func WarningKinds() []WarningKind {
	return []WarningKind{NotDurable, Evicts, NearlyFull, ForgedUpstream, Vanished, LogAway, PartlyAway}
}

// Warning is something wrong with a store that serves nevertheless.
type Warning struct {
	Kind WarningKind
	// Text says what is wrong and what would be right.
	Text string
}

// nearlyFull is the share of maxmemory from which a server counts as nearly full.
const nearlyFull = 0.9

// serverState is how one Redis is configured, as far as it lets itself be asked. A field
// that is empty is not known.
type serverState struct {
	appendOnly  string // yes or no
	appendFsync string // always, everysec or no
	eviction    string // maxmemory-policy
	maxMemory   int64  // bytes; 0: no limit
	usedMemory  int64  // bytes
	evicted     int64  // keys since its start
	appended    int64  // bytes of its append-only file
}

// ServerUse is what a server of Redis uses; of several, the fullest.
type ServerUse struct {
	// Of is `pool`, or `log` for the log's where it has its own.
	Of string
	// Used and Most are bytes of memory; Most is 0 where there is no maxmemory. Appended are bytes
	// of the append-only file.
	Used, Most, Appended int64
}

// fullestOf is of the fullest of the servers.
func fullestOf(of string, servers []serverState) ServerUse {
	var fullest serverState
	share := func(s serverState) float64 { return float64(s.usedMemory) / float64(max(s.maxMemory, 1)) }
	for _, each := range servers {
		if share(each) > share(fullest) {
			fullest = each
		}
	}
	return ServerUse{Of: of, Used: fullest.usedMemory, Most: fullest.maxMemory, Appended: fullest.appended}
}

// Inspection is how the servers are configured.
type Inspection struct {
	// Durability says when a write counts as saved.
	Durability string
	// Warnings say what of it is wrong.
	Warnings []Warning
	// Uses are what the servers use, as far as they tell.
	Uses []ServerUse
}

// Inspect reads how the servers are configured. It changes nothing, and what may not be
// read is no error.
func (s *Store) Inspect(ctx context.Context) (Inspection, error) {
	found, err := s.inspectServers(ctx)
	if err != nil {
		return found, err
	}
	_, bad, err := s.readUpstreams(ctx)
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		found.warn(Warning{ForgedUpstream, fmt.Sprintf(
			"the record of upstream %q in Redis can't be trusted: %v; the upstream is out of use until an admin saves it again", name, bad[name])})
	}
	return found, err
}

// warn adds a warning, one of each kind.
func (i *Inspection) warn(warning Warning) {
	if !slices.ContainsFunc(i.Warnings, func(w Warning) bool { return w.Kind == warning.Kind }) {
		i.Warnings = append(i.Warnings, warning)
	}
}

func (s *Store) inspectServers(ctx context.Context) (Inspection, error) {
	barrier, ours := s.barrier.Barrier.(*ServerBarrier)
	if !ours {
		return Inspection{Durability: "what is saved is brought to disk by the process that runs this Redis"}, nil
	}
	found := Inspection{Durability: barrier.Durability()}
	servers, err := serversOf(ctx, s.client)
	if err != nil {
		return Inspection{}, err
	}
	for _, each := range servers {
		for _, warning := range each.warnings(barrier.Waits()) {
			found.warn(warning)
		}
	}
	s.space.lookAt(servers)
	found.Uses = append(found.Uses, fullestOf("pool", servers))
	if s.ownLog() {
		s.inspectLog(ctx, &found)
	} else {
		s.room.lookAt(servers)
	}
	return found, nil
}

// inspectLog is inspectServers for a log with a Redis of its own.
func (s *Store) inspectLog(ctx context.Context, found *Inspection) {
	barrier, _ := s.logBarrier.(*ServerBarrier)
	servers, err := serversOf(ctx, s.logClient)
	if err != nil { // PrepareLog tells
		return
	}
	for _, each := range servers {
		for _, warning := range each.warnings(barrier.Waits()) {
			warning.Text = "the log's Redis (REDIS_LOG_URL): " + warning.Text
			found.warn(warning)
		}
	}
	s.room.lookAt(servers)
	found.Uses = append(found.Uses, fullestOf("log", servers))
}

// lookAt takes in the fullest of the servers that there are.
func (r *logRoom) lookAt(servers []serverState) {
	var fullest serverState
	for _, each := range servers {
		if each.maxMemory > 0 && float64(each.usedMemory)/float64(each.maxMemory) >= float64(fullest.usedMemory)/float64(max(fullest.maxMemory, 1)) {
			fullest = each
		}
	}
	r.look(fullest.usedMemory, fullest.maxMemory)
}

func serversOf(ctx context.Context, client redis.UniversalClient) ([]serverState, error) {
	primaries, err := primariesOf(ctx, client)
	if err != nil {
		return nil, err
	}
	servers := make([]serverState, len(primaries))
	for i, each := range primaries {
		if servers[i], err = readServer(ctx, each.client); err != nil {
			return nil, err
		}
	}
	return servers, nil
}

// readServer asks CONFIG, and INFO for what CONFIG may not tell.
func readServer(ctx context.Context, client redis.Cmdable) (serverState, error) {
	pipe := client.Pipeline()
	configured, evicting := pipe.ConfigGet(ctx, "append*"), pipe.ConfigGet(ctx, "maxmemory*")
	persistence, memory, stats := pipe.Info(ctx, "persistence"), pipe.Info(ctx, "memory"), pipe.Info(ctx, "stats")
	_ = sendEach(ctx, pipe) // each command has its own error
	for _, cmd := range []redis.Cmder{configured, evicting, persistence, memory, stats} {
		if _, refused := errors.AsType[redis.Error](cmd.Err()); cmd.Err() != nil && !refused {
			return serverState{}, storeError("read how Redis is configured", cmd.Err())
		}
	}
	known := serverState{
		appendOnly: configured.Val()["appendonly"], appendFsync: configured.Val()["appendfsync"],
		eviction: evicting.Val()["maxmemory-policy"],
	}
	info := infoOf(persistence.Val() + memory.Val() + stats.Val())
	if known.appendOnly == "" {
		known.appendOnly = map[string]string{"0": "no", "1": "yes"}[info["aof_enabled"]]
	}
	if known.eviction == "" {
		known.eviction = info["maxmemory_policy"]
	}
	known.maxMemory = numberOf(evicting.Val()["maxmemory"], info["maxmemory"])
	// Buffers for the disk and for replicas come and go, and are not held against maxmemory.
	known.usedMemory = numberOf(info["used_memory"]) - numberOf(info["mem_not_counted_for_evict"])
	known.evicted = numberOf(info["evicted_keys"])
	known.appended = numberOf(info["aof_current_size"])
	return known, nil
}

// infoOf reads the lines `name:value` of INFO.
func infoOf(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			info[name] = value
		}
	}
	return info
}

func numberOf(texts ...string) int64 {
	for _, text := range texts {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// warnings says what of the configuration is wrong. waits: the server has WAITAOF.
func (s serverState) warnings(waits bool) []Warning {
	var warnings []Warning
	if text := s.notDurable(waits); text != "" {
		warnings = append(warnings, Warning{NotDurable, text})
	}
	if s.eviction != "" && s.eviction != "noeviction" {
		warnings = append(warnings, Warning{Evicts, fmt.Sprintf(
			"Redis deletes data when its memory is full (maxmemory-policy %s), tokens and settings too: set maxmemory-policy noeviction", s.eviction)})
	}
	if s.evicted > 0 {
		warnings = append(warnings, Warning{Vanished, fmt.Sprintf(
			"Redis has deleted %d keys since its start because its memory was full: tokens, upstreams, settings or log entries have vanished; "+
				"compare with a backup, and set maxmemory-policy noeviction", s.evicted)})
	}
	if s.nearlyFull() {
		warnings = append(warnings, Warning{NearlyFull, fmt.Sprintf(
			"Redis uses %d of %d MiB (maxmemory): the prompts of the request log go first, then its entries wait at the gateways, and no responses are kept; give it more memory",
			s.usedMemory>>20, s.maxMemory>>20)})
	}
	return warnings
}

func (s serverState) nearlyFull() bool {
	return s.maxMemory > 0 && float64(s.usedMemory) >= nearlyFull*float64(s.maxMemory)
}

func (s serverState) notDurable(waits bool) string {
	switch {
	case s.appendOnly == "no":
		return "Redis keeps no append-only file: what was saved since its last snapshot is lost when it stops; set appendonly yes"
	case waits || s.appendFsync == "always":
		return ""
	case s.appendFsync == "everysec":
		return "Redis brings writes to its disk once a second and has no WAITAOF (Redis 7.2): what was saved last may be lost when its machine stops; set appendfsync always"
	case s.appendFsync == "no":
		return "Redis leaves it to its system when writes reach the disk, and has no WAITAOF (Redis 7.2): what was saved last may be lost when its machine stops; set appendfsync always"
	default:
		return "Redis has no WAITAOF (7.2) and does not tell how it saves writes: they are only safe with appendonly yes and appendfsync always"
	}
}

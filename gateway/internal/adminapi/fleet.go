package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fleet is what all gateways do together, and the pools that they draw from.
type fleet struct {
	// TotalRequests are chat requests that all gateways have ever counted.
	TotalRequests  uint64 `json:"total_requests"`
	ActiveRequests uint64 `json:"active_requests"`
	// StartedAt is when the first gateway of all started.
	StartedAt *time.Time `json:"started_at"`
	// Log adds up what the running gateways say.
	Log      logState  `json:"log"`
	Replicas []replica `json:"replicas"`
	Pools    []pool    `json:"pools"`
	// Warnings say what is wrong with a tokenstore's Redis that serves.
	Warnings []storeWarning `json:"warnings"`
}

// storeWarning is of a kind, for programs, with a text, for people.
type storeWarning struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// replica is a gateway that runs. It counts from its start.
type replica struct {
	Name      string     `json:"name"`
	Version   string     `json:"version"`
	StartedAt *time.Time `json:"started_at"`
	Requests  uint64     `json:"requests"`
	Active    uint32     `json:"active"`
	Log       logState   `json:"log"`
}

// logState says what has become of log entries: accepted = stored + pending +
// dropped.
type logState struct {
	Accepted uint64 `json:"accepted"`
	Stored   uint64 `json:"stored"`
	Pending  uint64 `json:"pending"`
	Dropped  uint64 `json:"dropped"`
}

func (l *logState) add(other logState) {
	l.Accepted += other.Accepted
	l.Stored += other.Stored
	l.Pending += other.Pending
	l.Dropped += other.Dropped
}

// pool counts the tokens of an upstream, each in one state.
type pool struct {
	Upstream    string `json:"upstream"`
	Ready       uint32 `json:"ready"`
	Quarantined uint32 `json:"quarantined"`
	Cooling     uint32 `json:"cooling"`
	Probing     uint32 `json:"probing"`
	Parked      uint32 `json:"parked"`
	Expired     uint32 `json:"expired"`
	Disabled    uint32 `json:"disabled"`
	InFlight    uint32 `json:"in_flight"`
	// Expiring are enabled and expire within a week.
	Expiring uint32 `json:"expiring"`
	// NeedsLogin are the parked ones that only a new login, or a new key, brings back.
	NeedsLogin uint32 `json:"needs_login"`
	// NextBackAt is when the first cooling one is back, and NextBackClass what it cools for.
	NextBackAt    *time.Time `json:"next_back_at"`
	NextBackClass *string    `json:"next_back_class"`
	// NextExpiryAt is when the first of the expiring ones expires.
	NextExpiryAt *time.Time `json:"next_expiry_at"`
	// Causes are what the tokens fail for alike, so that none is blamed.
	Causes []cause `json:"causes"`
}

type cause struct {
	Class     string     `json:"class"`
	Model     string     `json:"model"`
	Since     *time.Time `json:"since"`
	NextProbe *time.Time `json:"next_probe"`
	// AcknowledgedAt is when somebody said that he knows; null: nobody has.
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
}

func causesOf(shared []*tokenstorev1.SharedCause) []cause {
	causes := make([]cause, 0, len(shared))
	for _, each := range shared {
		causes = append(causes, cause{each.GetClass(), each.GetModel(), nullable.Time(each.GetSince()), nullable.Time(each.GetNextProbe()), nullable.Time(each.GetAcknowledgedAt())})
	}
	return causes
}

func replicaOf(r *tokenstorev1.Replica) replica {
	log := logState{Accepted: r.GetLogAccepted(), Pending: r.GetLogPending(), Dropped: r.GetLogDropped()}
	log.Stored = log.Accepted - min(log.Pending+log.Dropped, log.Accepted)
	return replica{
		Name: r.GetName(), Version: r.GetVersion(), StartedAt: nullable.Time(r.GetStartedAt()),
		Requests: r.GetRequests(), Active: r.GetActive(), Log: log,
	}
}

func fleetOf(all *tokenstorev1.BeatResponse, pools []*tokenstorev1.PoolState) fleet {
	f := fleet{
		TotalRequests: all.GetTotalRequests(), ActiveRequests: all.GetActiveRequests(), StartedAt: nullable.Time(all.GetStartedAt()),
		Replicas: []replica{}, Pools: []pool{}, Warnings: []storeWarning{},
	}
	for _, warning := range all.GetWarnings() {
		f.Warnings = append(f.Warnings, storeWarning{warning.GetKind(), warning.GetText()})
	}
	for _, each := range all.GetReplicas() {
		r := replicaOf(each)
		f.Replicas = append(f.Replicas, r)
		f.Log.add(r.Log)
	}
	for _, p := range pools {
		f.Pools = append(f.Pools, pool{
			Upstream: p.GetUpstream(), Ready: p.GetReady(), Cooling: p.GetCooling(), Expired: p.GetExpired(), Disabled: p.GetDisabled(),
			Quarantined: p.GetQuarantined(), Probing: p.GetProbing(), Parked: p.GetParked(), Causes: causesOf(p.GetCauses()),
			InFlight: p.GetInFlight(), Expiring: p.GetExpiring(), NeedsLogin: p.GetNeedsLogin(),
			NextBackAt: nullable.Time(p.GetNextBack()), NextBackClass: nullable.Text(p.GetNextBackClass()), NextExpiryAt: nullable.Time(p.GetNextExpiry()),
		})
	}
	return f
}

// GET /admin/api/fleet
func (a *API) fleet(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	all := a.Fleet()
	if all == nil {
		return &chat.Error{
			Kind: chat.StoreUnavailable, Message: "the tokenstore has not said for some seconds what the gateways do", RetryAfter: time.Second,
		}
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	pools, err := a.Tokens.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	return jsonapi.Answer(c, http.StatusOK, fleetOf(all, pools.GetPools()))
}

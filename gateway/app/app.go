// Package app puts a gateway together and runs it: the only package of this
// module that others import, and the only one that knows all the rest. A driver
// is a row in drivers.go.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/account"
	"carousel.internal/gateway/internal/adminapi"
	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/backup"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/config"
	"carousel.internal/gateway/internal/errand"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/idempotency"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/mcp"
	"carousel.internal/gateway/internal/metrics"
	"carousel.internal/gateway/internal/movein"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/reference"
	"carousel.internal/gateway/internal/relay"
	"carousel.internal/gateway/internal/remembered"
	"carousel.internal/gateway/internal/sse"
	"carousel.internal/gateway/internal/tokens"
	"carousel.internal/gateway/internal/tokentest"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/web"
	"carousel.internal/proto/service/certfile"
	"carousel.internal/proto/service/ops"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Config is what a gateway is started with.
type Config = config.Config

// LoadConfig reads the file (none where empty) and the environment, and answers
// all problems at once. environ is os.LookupEnv where nil.
func LoadConfig(file string, environ func(string) (string, bool)) (Config, error) {
	return config.Load(file, environ)
}

// Options are what a gateway needs beside its configuration.
type Options struct {
	Config  Config
	Version string
	// Output takes the log, in lines.
	Output io.Writer
	// Log takes the log instead of Output, whatever its format is configured to be; nil: Output
	// does.
	Log slog.Handler
	// LoginLinks lets browsers on this machine log in by LoginLink.
	LoginLinks bool
	// AdminToken is given the generated admin token, if this gateway is the one
	// to generate it: the only time that anyone sees it.
	AdminToken func(token string)
}

// Gateway is one replica.
type Gateway struct {
	options  Options
	replica  string
	log      *slog.Logger
	gate     *auth.Gate
	output   *accesslog.Buffer
	listener net.Listener
	opsPort  net.Listener
	// certificates are for the connection to the tokenstore; nil: it is plain.
	certificates *certfile.Files
	conn         *tokens.Conn
	// tracer is nil where nothing is traced.
	tracer   *tracing.Tracer
	registry *prometheus.Registry
	handler  http.Handler
	leases   *tokens.Leases
	config   *tokens.Config
	shipper  *tokens.Shipper
	fleet    *tokens.Fleet
	relay    *relay.Relay
	catalog  *catalog.Catalog
	prices   *pricing.Table
	accounts *account.Service
	errands  *errand.Runner
	answers  *idempotency.Desk
	logouts  *auth.Logouts
	claim    *adminClaim
	site     *web.Site
	draining atomic.Bool
}

// logDelay is how long lines of the log gather before they are written.
const logDelay = 100 * time.Millisecond

// New puts a gateway together and takes its ports. Run runs it; a gateway that
// is not run must be closed.
func New(options Options) (*Gateway, error) {
	cfg := options.Config
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{options: options, replica: replicaName(), prices: &pricing.Table{}, registry: prometheus.NewRegistry()}
	g.output = accesslog.NewBuffer(options.Output, logDelay)
	g.log = g.logger()

	var err error
	if cfg.TLS() {
		if g.certificates, err = certfile.Open(cfg.TLSPaths(), g.log); err != nil {
			return nil, fmt.Errorf("tokenstore_tls: %w", err)
		}
	}
	if g.listener, err = ops.Listen(":" + strconv.Itoa(cfg.Port)); err != nil {
		return nil, err
	}
	if g.opsPort, err = ops.Listen(cfg.OpsAddr); err != nil {
		_ = g.listener.Close()
		return nil, err
	}
	if g.conn, err = tokens.Dial(cfg.TokenstoreAddr, cfg.TokenstoreSecret, g.certificates); err != nil {
		_ = g.listener.Close()
		_ = g.opsPort.Close()
		return nil, err
	}
	traces := tracing.Service{Name: "carousel-gateway", Version: options.Version, Instance: g.replica, Log: g.log}
	if g.tracer, err = tracing.Start(context.Background(), cfg.Export, traces); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.assemble()
	if cfg.LogSpoolDir != "" {
		if err := g.shipper.UseSpool(cfg.LogSpoolDir, int64(cfg.LogSpoolMB)<<20); err != nil {
			return nil, errors.Join(fmt.Errorf("log_spool_dir: %w", err), g.Close())
		}
	}
	return g, nil
}

// assemble connects the parts.
func (g *Gateway) assemble() {
	cfg := g.options.Config
	counts := metrics.New(g.registry)
	watch := newObserver(counts)
	store := tokenstorev1.NewConfigServiceClient(g.conn)
	errands := tokenstorev1.NewErrandServiceClient(g.conn)
	renewals := tokens.NewRenewals(errands, g.log)

	g.leases = tokens.NewLeases(tokenstorev1.NewLeaseServiceClient(g.conn), g.replica, watch, g.log)
	g.shipper = tokens.NewShipper(tokenstorev1.NewRequestLogServiceClient(g.conn), g.replica, watch, g.log)
	g.leases.KeepReserve(tokens.ReserveOptions{Time: cfg.DegradedTime, Instance: instanceName(cfg.Port), Reset: g.conn.Reset})
	g.answerMetrics()
	chats := &httpapi.ChatCount{}
	g.fleet = tokens.NewFleet(tokenstorev1.NewFleetServiceClient(g.conn), g.replica, g.options.Version, func() tokens.Pulse {
		total, active := chats.Now()
		return tokens.Pulse{
			Requests: total, Active: active, Log: g.shipper.Counts(), NearBudgets: g.toldBudgets(), Degraded: g.leases.ServedAlone(),
		}
	}, g.log)
	g.catalog = catalog.New(drivers(cfg), lender{g.leases, renewals}.borrow, g.log)
	g.catalog.OnListed(watch.Listed)
	g.fleet.OnStocked(g.catalog.SetStocked)
	g.claim = newAdminClaim(store, cfg.AuthToken.Empty(), g.options.AdminToken, g.log)
	g.config = tokens.NewConfig(store, g.replica, func(now *tokenstorev1.WatchResponse) {
		g.catalog.Update(upstreamConfigs(now.GetUpstreams()), routesOf(now.GetRoutes()))
		g.prices.Update(pricing.FromStore(now.GetPrices().GetPrices()))
		g.claim.seen(now.GetAdminTokenHash())
	}, g.log)

	gate := auth.New(cfg.AuthToken, g.config.AdminTokenHash)
	g.gate = gate
	keys := tokens.NewKeys(tokenstorev1.NewKeyServiceClient(g.conn), g.leases.HearsChanges)
	g.leases.OnKeysChanged(keys.Changed)
	gate.UseKeys(keys)
	g.logouts = auth.NewLogouts(revokeAt(store), g.log)
	gate.UseSessions(auth.Sessions{
		Secret:  cfg.TokenstoreSecret,
		Revoked: func(id string) bool { return g.logouts.Ended(id) || g.config.SessionRevoked(id) },
		Known:   func() bool { return g.config.Ready(context.Background()) == nil },
	})
	g.accounts = account.New(account.Params{
		Store:   tokenstorev1.NewTokenServiceClient(g.conn),
		Driver:  g.catalog.Driver,
		Options: func() upstream.Options { return optionsOf(g.config.Settings()) },
		Log:     g.log,
	})
	g.errands = errand.New(errand.Params{
		Store: errands, Replica: g.replica, Driver: g.catalog.Driver, Account: g.accounts.Ask, Grace: cfg.ShutdownGrace, Log: g.log,
	})
	audit := tokenstorev1.NewAuditServiceClient(g.conn)
	logins := tokenstorev1.NewLoginServiceClient(g.conn)
	keep := func(ctx context.Context, entry *tokenstorev1.AuditEntry) error {
		entry.Replica = g.replica
		_, err := audit.RecordAudit(ctx, &tokenstorev1.RecordAuditRequest{Entry: entry})
		return err
	}
	pools := poolWatch{g.conn, g.poolChanged}
	tests := tokentest.New(tokentest.Params{Chat: g.chat, Models: g.modelsOf, Prices: g.prices})
	backups, uploads := backup.NewDesk(tokenstorev1.NewBackupServiceClient(g.conn), g.poolChanged), backup.NewUploads()
	base := jsonapi.Base{Gate: gate, Log: g.log, Keep: keep, BodyLimit: cfg.BodyLimit(), Timeout: cfg.StoreTimeout}
	admin := adminapi.New(adminapi.Deps{
		Base:             base,
		Tokens:           tokenstorev1.NewTokenServiceClient(pools),
		Keys:             tokenstorev1.NewKeyServiceClient(g.conn),
		Config:           store,
		Prices:           tokenstorev1.NewPriceServiceClient(g.conn),
		Notifications:    tokenstorev1.NewNotificationServiceClient(g.conn),
		Logs:             tokenstorev1.NewRequestLogServiceClient(g.conn),
		Usage:            tokenstorev1.NewUsageServiceClient(g.conn),
		Leases:           tokenstorev1.NewLeaseServiceClient(g.conn),
		Accounts:         g.accounts,
		Fleet:            g.fleet.Last,
		Prospects:        g.prospects,
		Models:           g.catalog.Models,
		Listed:           g.catalog.Listed,
		ValidateUpstream: g.catalog.Validate,
		ProbeUpstream:    g.catalog.Probe,
		Audit:            audit,
		Logins:           logins,
		Renewals:         errands,
		Tests:            tests,
		Backups:          backups,
		Uploads:          uploads,
		MoveIns:          movein.NewDesk(tokenstorev1.NewTokenServiceClient(pools), store, g.catalog.Validate),
		Driver:           g.catalog.Driver,
		CheckProxy:       g.catalog.CheckProxy,
	})
	g.site = web.New(web.Deps{
		Base:          base,
		Logout:        g.logouts.End,
		LoggedIn:      func(result string) { counts.Logins.WithLabelValues(result).Inc() },
		Tokens:        tokenstorev1.NewTokenServiceClient(pools),
		Config:        store,
		Logs:          tokenstorev1.NewRequestLogServiceClient(g.conn),
		Audit:         audit,
		Fleet:         g.fleet.Last,
		Degraded:      g.leases.Degraded,
		Models:        g.catalog.Models,
		Listed:        g.catalog.Listed,
		Servable:      g.catalog.Servable,
		Logins:        logins,
		News:          tokenstorev1.NewNewsServiceClient(g.conn),
		Tests:         tests,
		Leases:        tokenstorev1.NewLeaseServiceClient(g.conn),
		Keys:          tokenstorev1.NewKeyServiceClient(g.conn),
		Usage:         tokenstorev1.NewUsageServiceClient(g.conn),
		KeyHolder:     gate.Holder,
		Prices:        tokenstorev1.NewPriceServiceClient(g.conn),
		Backups:       backups,
		Uploads:       uploads,
		TracePage:     cfg.TracePage,
		Priced:        g.prices.Priced,
		Prospects:     g.prospects,
		Dialects:      dialectNames(),
		HasAccounts:   g.hasAccounts,
		HasLogins:     g.hasLogins,
		RoutePrefix:   cfg.RoutePrefix,
		LoginLinks:    g.options.LoginLinks,
		Version:       g.options.Version,
		Notifications: tokenstorev1.NewNotificationServiceClient(g.conn),
	})
	original := reference.New(reference.Deps{
		Base:       base,
		Files:      tokenstorev1.NewTokenFileServiceClient(pools),
		Config:     store,
		Logs:       tokenstorev1.NewRequestLogServiceClient(g.conn),
		Pages:      g.config.Pages,
		BuiltIn:    g.site.BuiltIn(),
		OpenReload: cfg.AllowOpenReload,
	})
	access := g.accessLog()
	g.answers = idempotency.New(tokens.NewAnswers(tokenstorev1.NewIdempotencyServiceClient(g.conn)), g.log)
	g.relay = relay.New(relay.Params{
		Catalog: g.catalog, Leases: checkedLeases{g.leases, g.accounts, g.config.Settings}, Recorder: recorder{g.shipper}, Counter: watch,
		Prices: g.prices, Renewer: renewals,
		Policy: func() relay.Policy { return policyOf(g.config.Settings(), cfg) }, Tune: tune, StatusOf: statusOf,
		Replicas: g.fleet.Replicas, Strayed: g.fleet.Nudge, NamesTrace: cfg.NamesTrace, Logger: g.log,
	})
	g.fleet.OnGivenUp(g.relay.Strays, g.relay.GiveUp)
	g.handler = httpapi.New(httpapi.Deps{
		Relay:    g.relay,
		Dialects: dialects,
		Tokens:   g.relay,
		Answers:  g.answers,
		Remembered: &remembered.Desk{
			Store: tokens.NewResponses(tokenstorev1.NewResponseServiceClient(g.conn)), Timeout: cfg.StoreTimeout,
			Away: func() bool { return g.leases.Outage() != nil },
		},
		Models:   g.models,
		Key:      keys.Show,
		Standing: g.leases.Standing,
		Settings: g.config.Settings,
		Chats:    chats,
		Fleet: func() (httpapi.FleetChats, bool) {
			all, told := g.fleet.Chats()
			return httpapi.FleetChats(all), told
		},
		Gate:    gate,
		Tracer:  g.tracer,
		Metrics: counts,
		Access:  access,
		Log:     g.log,
		Mounts:  []httpapi.Mount{original, admin, g.site}, Unmatched: g.site.Unmatched,
		MCP: mcp.New(admin.Within(), g.options.Version, g.log),
		Options: httpapi.Options{
			RoutePrefix: cfg.RoutePrefix, CORSOrigins: cfg.Origins(), Proxies: cfg.Proxies(), Version: g.options.Version, BodyLimit: cfg.BodyLimit(), BodyLimitChosen: cfg.BodyLimitChosen(), BodyMemory: cfg.BodyMemory(), ReadTimeout: cfg.ReadTimeout,
			UploadLimit: int64(cfg.UploadLimitMB) << 20, UploadDisk: int64(cfg.UploadDiskMB) << 20,
			Stream: sse.Options{Heartbeat: cfg.StreamHeartbeat, WriteTimeout: cfg.WriteTimeout},
		},
	})
}

// named is what each line of the log has.
func (g *Gateway) named() []slog.Attr {
	return []slog.Attr{slog.String("service", "gateway"), slog.String("replica", g.replica)}
}

// logger makes this gateway's own log.
func (g *Gateway) logger() *slog.Logger {
	handler := g.options.Log
	if handler == nil {
		handler = g.options.Config.Logger(g.output).Handler()
	}
	return slog.New(handler.WithAttrs(g.named()))
}

// accessLog makes the log of requests, which has the form of all others.
func (g *Gateway) accessLog() *accesslog.Log {
	if g.options.Log == nil && g.options.Config.LogFormat == "json" {
		return accesslog.NewJSON(g.log, g.output, g.named()...)
	}
	return accesslog.New(g.log)
}

// revokeAt ends sessions at the tokenstore.
func revokeAt(store tokenstorev1.ConfigServiceClient) auth.Revoke {
	return func(ctx context.Context, id string, expires time.Time) error {
		_, err := store.RevokeSession(ctx, &tokenstorev1.RevokeSessionRequest{Id: id, ExpiresAt: timestamppb.New(expires)})
		return err
	}
}

// Addr is the public port's address.
func (g *Gateway) Addr() string { return g.listener.Addr().String() }

// LoginLink is the path, with its secret, of a link that logs one browser on this machine in,
// within LoginLinkLife. It is for gateways with LoginLinks, and ends the link before it.
func (g *Gateway) LoginLink() string { return web.LoginLinkPath + "#" + g.gate.LoginLink() }

// LoginLinkLife is how long a login link can be followed.
const LoginLinkLife = auth.LoginLinkLife

// Ready answers nil when chat requests can be served.
func (g *Gateway) Ready(ctx context.Context) error {
	if g.draining.Load() {
		return errors.New("shutting down")
	}
	if g.claim.pending.Load() || g.options.Config.AuthToken.Empty() && len(g.config.AdminTokenHash()) == 0 {
		return errors.New("the tokenstore has not told the admin token")
	}
	return errors.Join(g.config.Ready(ctx), g.leases.Ready(ctx))
}

// condition is Ready, and says when requests are served without the tokenstore.
func (g *Gateway) condition(ctx context.Context) error {
	err := g.Ready(ctx)
	if outage := g.leases.Outage(); outage != nil && err == nil {
		return ops.Degraded(fmt.Sprintf("the tokenstore can't be reached since %s; requests to %s are served from this gateway's reserve until %s, all others are refused",
			outage.Since.UTC().Format(time.RFC3339), strings.Join(outage.Upstreams, ", "), outage.Until.UTC().Format(time.RFC3339)))
	}
	if away := g.leases.PoolsAway(); len(away) > 0 && err == nil {
		return ops.Degraded(fmt.Sprintf("the store of the tokens of %s can't be reached; requests to them are served from this gateway's reserve, all others as always",
			strings.Join(away, ", ")))
	}
	return err
}

// Run serves until ctx ends, then lets open requests end, and answers why it
// stopped: nil when that was ctx.
func (g *Gateway) Run(ctx context.Context) error {
	// Ends the requests that outlive the grace.
	requests, cutOff := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cutOff(nil)
	most := connectionLimit(g.options.Config.MaxConnections)
	public := publicServer(httpapi.Serving(requests), g.handler, most, g.log)
	operations := ops.Server(ops.Handler(g.registry, g.condition), g.log)
	// What serves requests outlives them.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, part := range []func(context.Context){g.config.Run, g.leases.Run, g.shipper.Run, g.catalog.Run, g.accounts.Run, g.claim.Run, g.logouts.Run, g.fleet.Run} {
		running.Go(func() { part(background) })
	}
	taking, takeNoMore := context.WithCancel(ctx)
	defer takeNoMore()
	running.Go(func() { g.runErrands(taking) })
	failed := make(chan error, 2)
	running.Go(func() {
		g.awaitReady(ctx)
		failed <- serve(public, limited(g.listener, most))
	})
	running.Go(func() { failed <- serve(operations, g.opsPort) })
	g.log.LogAttrs(ctx, slog.LevelInfo, "gateway serves", slog.String("addr", g.Addr()), slog.String("ops_addr", g.opsPort.Addr().String()),
		slog.String("tokenstore", g.options.Config.TokenstoreAddr), slog.String("version", g.options.Version))

	var err error
	select {
	case <-ctx.Done():
		g.relay.Close() // what is kept open goes on at another replica
		g.site.Close()
		g.drain(background, public, cutOff)
	case err = <-failed:
		g.relay.Close()
		g.site.Close()
	}
	err = errors.Join(err, public.Close())
	takeNoMore()
	stop()
	g.answers.Wait()
	err = errors.Join(err, operations.Close())
	running.Wait()
	g.fleet.Leave(context.WithoutCancel(ctx))
	g.tracer.Shutdown(ctx)
	return errors.Join(err, g.conn.Close(), g.output.Close())
}

// runErrands runs errands, from when it is known which upstreams there are.
func (g *Gateway) runErrands(ctx context.Context) {
	await(ctx, 50*time.Millisecond, g.config.Ready)
	g.errands.Run(ctx)
}

// startPatience is how long the first connections wait, not yet accepted, for the
// tokenstore: a load balancer may send some before it has asked for readiness.
// After that time they are told what is missing.
const startPatience = 2 * time.Second

func (g *Gateway) awaitReady(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	await(ctx, 5*time.Millisecond, func(ctx context.Context) error {
		if err := g.Ready(ctx); err != nil {
			return err
		}
		if g.fleet.Last() == nil { // until then upstreams without tokens are taken for ones with
			return errUnheard
		}
		return nil
	})
}

var errUnheard = errors.New("the tokenstore has not told which upstreams have tokens")

// await asks again and again until there is no error, or ctx has ended.
func await(ctx context.Context, every time.Duration, ready func(context.Context) error) {
	again := time.NewTicker(every)
	defer again.Stop()
	for ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// errShuttingDown is what clients are told whose requests outlive the grace.
var errShuttingDown = &chat.Error{Kind: chat.ShuttingDown, Message: "this gateway is shutting down, and the answer is not complete; ask again", RetryAfter: time.Second}

// cutOffLimit is how long requests that are cut off get to settle and record.
const cutOffLimit = 2 * time.Second

// drain tells load balancers, waits until they have noticed, lets open requests
// end, and cuts off those that don't.
func (g *Gateway) drain(ctx context.Context, public *http.Server, cutOff context.CancelCauseFunc) {
	cfg := g.options.Config
	g.draining.Store(true)
	g.log.LogAttrs(ctx, slog.LevelInfo, "gateway drains", slog.Duration("delay", cfg.DrainDelay), slog.Duration("grace", cfg.ShutdownGrace))
	delay := time.NewTimer(cfg.DrainDelay)
	defer delay.Stop()
	<-delay.C
	if shutdown(ctx, public, cfg.ShutdownGrace) == nil {
		return
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "requests are cut off at shutdown")
	cutOff(errShuttingDown)
	if err := shutdown(ctx, public, cutOffLimit); err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "requests did not end when cut off", slog.Any("error", err))
	}
}

// shutdown waits until no request is open.
func shutdown(ctx context.Context, server *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return server.Shutdown(ctx)
}

// Close lets go of what New took, for a gateway that was not run.
func (g *Gateway) Close() error {
	g.tracer.Shutdown(context.Background())
	return errors.Join(g.listener.Close(), g.opsPort.Close(), g.conn.Close(), g.output.Close())
}

func serve(server *http.Server, listener net.Listener) error {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	return nil
}

// instanceName is the same for each start of this gateway: no two processes have the
// same host and port.
func instanceName(port int) string {
	host, err := os.Hostname()
	if err != nil || port == 0 {
		return replicaName()
	}
	return fmt.Sprintf("%s-%d", host, port)
}

// replicaName is unique per process start: the store tells repeated log entries
// by it.
func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "gateway"
	}
	return fmt.Sprintf("%s-%d-%x", host, os.Getpid(), time.Now().UnixNano())
}

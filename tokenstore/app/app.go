// Package app puts a tokenstore together and runs it: the only package of this
// module that others import, and the only one that knows all the rest.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"carousel.internal/proto/service/certfile"
	"carousel.internal/proto/service/ops"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/config"
	"carousel.internal/tokenstore/internal/courier"
	"carousel.internal/tokenstore/internal/grpcapi"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/tokenfile"
)

// Config is what a tokenstore is started with.
type Config = config.Config

// LoadConfig reads the file (none where empty) and the environment, and answers
// all problems at once. environ is os.LookupEnv where nil.
func LoadConfig(file string, environ func(string) (string, bool)) (Config, error) {
	return config.Load(file, environ)
}

// Options are what a tokenstore needs beside its configuration.
type Options struct {
	Config  Config
	Version string
	// Output takes the log, in lines.
	Output io.Writer
	// Log takes the log instead of Output, whatever its format is configured to be; nil: Output
	// does.
	Log slog.Handler
	// Redis is used, and not closed, instead of a client of Config.RedisURL.
	Redis redis.UniversalClient
	// Sync answers when everything written to Redis so far is on disk; nil takes
	// the server's own means.
	Sync func(context.Context) error
}

// Tokenstore is one replica.
type Tokenstore struct {
	options  Options
	log      *slog.Logger
	listener net.Listener
	opsPort  net.Listener
	client   redis.UniversalClient
	// logClient is of the log's own Redis; nil where it has none.
	logClient redis.UniversalClient
	store     *redisstore.Store
	// tracer is nil where nothing is traced.
	tracer   *tracing.Tracer
	registry *prometheus.Registry
	server   *grpc.Server
	health   *health.Server
	changes  *grpcapi.Changes
	desk     *leasing.Desk
	leases   *grpcapi.LeaseServer
	errands  *grpcapi.ErrandServer
	// returns has a value once tokens have changed: one may be disabled until a time.
	returns  chan struct{}
	keeper   *keeper
	files    *tokenfile.Files
	notifier *notify.Notifier
	// changed has one value while the settings may have changed since rotate looked.
	changed chan struct{}
	// stopping is closed when streams must end.
	stopping chan struct{}
	// unread has one value while changes of client keys may have been missed.
	unread chan struct{}
}

// New puts a tokenstore together and takes its ports. Run runs it; one that is
// not run must be closed.
func New(options Options) (*Tokenstore, error) {
	cfg := options.Config
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	keys, err := seal.Load(cfg.SealKeyFile)
	if err != nil {
		return nil, err
	}
	t := &Tokenstore{
		options: options, log: loggerOf(options).With("service", "tokenstore"), client: options.Redis,
		registry: prometheus.NewRegistry(), stopping: make(chan struct{}), changed: make(chan struct{}, 1), unread: make(chan struct{}, 1),
		returns: make(chan struct{}, 1),
	}
	access := grpcapi.Access{
		Secret: cfg.TokenstoreSecret, AskCertificates: cfg.TLSCAFile != "", Plaintext: cfg.TLSPlaintext, Gateways: cfg.GatewayNames(), Admins: cfg.AdminNames(),
	}
	if cfg.TLS() {
		if access.Certificates, err = certfile.Open(cfg.TLSPaths(), t.log); err != nil {
			return nil, fmt.Errorf("tokenstore_tls: %w", err)
		}
	}
	if t.listener, err = ops.Listen(cfg.GRPCAddr); err != nil {
		return nil, err
	}
	if t.opsPort, err = ops.Listen(cfg.OpsAddr); err != nil {
		return nil, errors.Join(err, t.listener.Close())
	}
	if t.client == nil {
		if t.client, err = redisstore.Connect(cfg.RedisURL.Reveal()); err != nil {
			return nil, errors.Join(err, t.listener.Close(), t.opsPort.Close())
		}
	}
	if text := cfg.RedisLogURL.Reveal(); text != "" {
		if t.logClient, err = redisstore.Connect(text); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	traces := tracing.Service{Name: "carousel-tokenstore", Version: options.Version, Log: t.log}
	if t.tracer, err = tracing.Start(context.Background(), cfg.Export, traces); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	t.assemble(keys, access)
	return t, nil
}

func loggerOf(options Options) *slog.Logger {
	if options.Log != nil {
		return slog.New(options.Log)
	}
	return options.Config.Logger(options.Output)
}

// assemble connects the parts.
func (t *Tokenstore) assemble(keys *seal.Keyring, access grpcapi.Access) {
	cfg, age := t.options.Config, grpcapi.Age(t.options.Config.ConnectionAge)
	storeOptions := redisstore.Options{Keys: keys, Defaults: cfg.Settings(), Logger: t.log, WaitReplicas: cfg.RedisWaitReplicas, AwaitPrepare: true}
	storeOptions.Log, storeOptions.Responses = t.logClient, cfg.Responses()
	if t.options.Sync != nil {
		storeOptions.Barrier = redisstore.BarrierFunc(t.options.Sync)
	}
	counts := metrics.New(t.registry, t.client)
	storeOptions.Scripts = counts
	t.store = redisstore.New(t.client, storeOptions)
	t.server = grpcapi.NewServer(access, age, counts, t.log)
	if access.Certificates != nil {
		metrics.Certificate(t.registry, access.Certificates.Expires)
	}
	t.health = health.NewServer()
	t.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	t.changes = grpcapi.NewChanges()
	t.desk = leasing.NewDesk(t.store, cfg.LeaseTTL, counts, t.log)
	t.leases = grpcapi.NewLeaseServer(t.desk, t.store, t.store, age, t.tracer, t.log, t.stopping)
	t.desk.TellHere(t.leases.Want)
	t.files = tokenfile.New(t.store, cfg.TokenFilePath(), cfg.TokenListPath(), t.log)
	t.errands = grpcapi.NewErrandServer(t.store, t.files.Changed, counts, t.stopping)
	t.keeper = newKeeper(t.store, t.health, counts, (&seeder{store: t.store, files: t.files, config: cfg, log: t.log}).seed, t.log)

	t.notifier = &notify.Notifier{
		Store: t.store, Courier: courier.New(), Usable: t.keeper.usable, Observe: t.observe, Patience: cfg.NotifyPatience, Log: t.log,
	}

	t.keeper.quiet = t.desk.Quiet
	t.answerMetrics(counts)
	healthv1.RegisterHealthServer(t.server, t.health)
	tokenstorev1.RegisterTokenServiceServer(t.server, grpcapi.NewTokenServer(t.store, t.files.Changed, t.log))
	tokenstorev1.RegisterTokenFileServiceServer(t.server, grpcapi.NewTokenFileServer(t.files, t.log))
	tokenstorev1.RegisterConfigServiceServer(t.server, grpcapi.NewConfigServer(t.store, t.changes, age, t.stopping, t.log))
	tokenstorev1.RegisterPriceServiceServer(t.server, grpcapi.NewPriceServer(t.store))
	tokenstorev1.RegisterRequestLogServiceServer(t.server, grpcapi.NewRequestLogServer(t.store))
	tokenstorev1.RegisterUsageServiceServer(t.server, grpcapi.NewUsageServer(t.store))
	tokenstorev1.RegisterAuditServiceServer(t.server, grpcapi.NewAuditServer(t.store))
	tokenstorev1.RegisterFleetServiceServer(t.server, grpcapi.NewFleetServer(t.store, t.keeper.known))
	tokenstorev1.RegisterIdempotencyServiceServer(t.server, grpcapi.NewIdempotencyServer(t.store))
	tokenstorev1.RegisterResponseServiceServer(t.server, grpcapi.NewResponseServer(t.store))
	tokenstorev1.RegisterErrandServiceServer(t.server, t.errands)
	tokenstorev1.RegisterLoginServiceServer(t.server, grpcapi.NewLoginServer(t.store))
	tokenstorev1.RegisterKeyServiceServer(t.server, grpcapi.NewKeyServer(t.store))
	tokenstorev1.RegisterBackupServiceServer(t.server, grpcapi.NewBackupServer(t.store, t.files.Changed, t.log))
	tokenstorev1.RegisterNotificationServiceServer(t.server, grpcapi.NewNotificationServer(t.store, t.notifier))
	tokenstorev1.RegisterNewsServiceServer(t.server, grpcapi.NewNewsServer(t.store))
	tokenstorev1.RegisterLeaseServiceServer(t.server, t.leases)
}

// Addr is the gRPC port's address.
func (t *Tokenstore) Addr() string { return t.listener.Addr().String() }

// OpsAddr is the ops port's address.
func (t *Tokenstore) OpsAddr() string { return t.opsPort.Addr().String() }

// Ready answers nil when calls can be served, else why not.
func (t *Tokenstore) Ready(ctx context.Context) error { return t.keeper.usable(ctx) }

// ForgetAdminToken lets the next gateway that starts generate another one.
func (t *Tokenstore) ForgetAdminToken(ctx context.Context) error {
	return t.store.ForgetAdminToken(ctx)
}

// Run serves until ctx ends, then lets open calls end, and answers why it
// stopped: nil when that was ctx.
func (t *Tokenstore) Run(ctx context.Context) error {
	operations := ops.Server(ops.Handler(t.registry, t.keeper.health), t.log)
	// What serves calls outlives them.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, part := range []func(context.Context){t.keeper.run, t.desk.Run, t.files.Run, t.listen, t.keepLog, t.rotate, t.readKeys, t.enableDue, t.notifier.Run} {
		running.Go(func() { part(background) })
	}
	failed := make(chan error, 2)
	running.Go(func() {
		t.keeper.awaitLook(ctx)
		t.errands.AwaitHolders(redisstore.ErrandHold)
		failed <- t.server.Serve(grpcapi.LimitConnections(t.listener))
	})
	running.Go(func() { failed <- operations.Serve(t.opsPort) })
	t.log.LogAttrs(ctx, slog.LevelInfo, "tokenstore serves", slog.String("addr", t.Addr()), slog.String("ops_addr", t.OpsAddr()),
		slog.String("version", t.options.Version))

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	t.drain(background)
	stop()
	err = errors.Join(err, operations.Close())
	running.Wait()
	t.tracer.Shutdown(ctx)
	return errors.Join(err, t.closeRedis())
}

// drain tells callers, ends streams, and lets unary calls end.
func (t *Tokenstore) drain(ctx context.Context) {
	t.log.LogAttrs(ctx, slog.LevelInfo, "tokenstore stops", slog.Duration("grace", t.options.Config.ShutdownGrace))
	t.health.Shutdown()
	close(t.stopping)
	grace := time.AfterFunc(t.options.Config.ShutdownGrace, t.server.Stop)
	defer grace.Stop()
	t.server.GracefulStop()
}

// keepLog keeps the request log of a store that can be used.
func (t *Tokenstore) keepLog(ctx context.Context) { t.store.KeepLog(ctx, t.keeper.usable) }

// listen passes on what any tokenstore on this Redis has changed.
func (t *Tokenstore) listen(ctx context.Context) {
	t.store.Listen(ctx, func(event redisstore.Event) {
		switch event.Kind {
		case redisstore.ConfigChanged:
			t.changes.Announce()
			t.reconfigured()
			t.errands.Stirred()
		case redisstore.Recalled:
			t.leases.Recall(event.Token, event.Epoch)
			t.stirred()
		case redisstore.Freed:
			t.desk.Freed(event.Upstream)
			t.stirred()
		case redisstore.SlotsWanted:
			t.leases.Want(event.Upstream)
		case redisstore.DemandsWait:
			t.desk.NoteWaiting(event.Waiting)
		case redisstore.ErrandDue:
			t.errands.Due()
		case redisstore.KeyChanged:
			t.leases.KeyChanged(event.Key)
		case redisstore.KeyWanted:
			t.leases.KeyWanted(event.Key)
		case redisstore.Forgetful:
			if event.Upstream != "" {
				t.desk.AwaitRenewalsOf(event.Upstream)
				return
			}
			t.desk.AwaitRenewals()
			t.errands.AwaitHolders(redisstore.ErrandHold)
		case redisstore.Resync: // anything may have happened
			t.changes.Announce()
			t.reconfigured()
			t.keysMissed()
			t.leases.Recall("", 0)
			t.leases.KeyChanged("")
			t.desk.FreedAny()
			t.stirred()
		}
	})
}

// stirred tells who waits for a token's time that one has come, or was changed.
func (t *Tokenstore) stirred() {
	t.errands.Stirred()
	select {
	case t.returns <- struct{}{}:
	default:
	}
}

func (t *Tokenstore) closeRedis() error {
	if t.store != nil { // New may fail before there is one
		t.store.Close()
	}
	var err error
	if t.logClient != nil {
		err = t.logClient.Close()
	}
	if t.options.Redis != nil {
		return err // the client is its owner's
	}
	return errors.Join(err, t.client.Close())
}

// Close lets go of what New took, for a tokenstore that was not run.
func (t *Tokenstore) Close() error {
	t.tracer.Shutdown(context.Background())
	return errors.Join(t.listener.Close(), t.opsPort.Close(), t.closeRedis())
}

package allinone

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	gateway "carousel.internal/gateway/app"
	tokenstore "carousel.internal/tokenstore/app"
)

// options are the command line.
type options struct {
	data          string
	config        string
	sim           bool
	newAdminToken bool
}

// errMisused is a wrong command line, of which people have been told.
var errMisused = errors.New("a wrong command line")

// parse reads the command line. Help that was asked for goes to output.
func parse(name string, args []string, output, complaints io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(complaints)
	flags.Usage = func() {}
	flags.StringVar(&o.data, "data", "./data", "folder for everything that must outlive the process")
	flags.StringVar(&o.config, "config", os.Getenv("CONFIG_FILE"), "configuration file (YAML, TOML or JSON); the environment overrides it")
	flags.BoolVar(&o.sim, "sim", false, "run the simulated upstream even if there are tokens or upstreams of your own")
	flags.BoolVar(&o.newAdminToken, "new-admin-token", false, "forget the generated admin token and make another")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		printUsage(flags, output)
		return o, err
	} else if err != nil {
		printUsage(flags, complaints) // flags has said what was wrong
		return o, errMisused
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(complaints, "%q is no flag; see %s --help\n", flags.Arg(0), name)
		return o, errMisused
	}
	return o, nil
}

func printUsage(flags *flag.FlagSet, to io.Writer) {
	flags.SetOutput(to)
	_, _ = fmt.Fprintf(to, "Usage of %s:\n", flags.Name())
	flags.PrintDefaults()
}

// configure reads both services' configurations, with defaults fit for one
// process: nobody has to choose a secret between its halves, and the ops ports
// are any free ones.
func configure(o options) (gateway.Config, tokenstore.Config, error) {
	shared := rand.Text()
	front, err := gateway.LoadConfig(o.config, environ(map[string]string{
		"OPS_ADDR": "127.0.0.1:0", "LOG_FORMAT": "text", "TOKENSTORE_SECRET": shared, "DRAIN_DELAY": "0s", "SHUTDOWN_GRACE": "5s",
	}))
	store, storeErr := tokenstore.LoadConfig(o.config, environ(map[string]string{
		"OPS_ADDR": "127.0.0.1:0", "LOG_FORMAT": "text", "TOKENSTORE_SECRET": shared, "GRPC_ADDR": "127.0.0.1:0",
	}))
	if err := errors.Join(err, storeErr); err != nil {
		return front, store, fmt.Errorf("the configuration can't be used:\n%w", err)
	}
	for name, file := range map[string]*string{
		"SEAL_KEY_FILE": &store.SealKeyFile, "TOKEN_FILE": &store.TokenFile, "TOKEN_LIST_FILE": &store.TokenListFile,
	} {
		placeInData(o.data, name, file)
	}
	return front, store, nil
}

// unplaced are the tokenstore's own places for its files: the folder where it is
// started.
var unplaced = map[string]string{"SEAL_KEY_FILE": "data/seal.key", "TOKEN_FILE": ".token", "TOKEN_LIST_FILE": ".token-list"}

// placeInData puts a file into the data folder, unless somebody has said where it is:
// what a first try writes is in one place.
func placeInData(data, name string, file *string) {
	if *file == unplaced[name] && os.Getenv(name) == "" {
		*file = filepath.Join(data, filepath.Base(*file))
	}
}

// environ looks into the environment first, then into defaults. Short lines are none of the
// services' formats.
func environ(defaults map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, set := os.LookupEnv(name); set && value != "" && (name != "LOG_FORMAT" || value != shortLines) {
			return value, true
		}
		value, set := defaults[name]
		return value, set
	}
}

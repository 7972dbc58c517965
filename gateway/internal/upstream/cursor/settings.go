package cursor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

// The protocols.
const (
	agentProtocol = "agent"
	chatProtocol  = "chat"
)

// Where the real upstream is.
const (
	defaultBaseURL   = "https://api2.cursor.sh"
	defaultAgentBase = "https://agentn.global.api5.cursor.sh"
	defaultSite      = "https://www.cursor.com"
	defaultLogin     = "https://cursor.com"
	ownDomain        = ".cursor.sh"
)

const (
	defaultConnect   = 10 * time.Second
	defaultFirstByte = 60 * time.Second
	defaultIdle      = 120 * time.Second
	maxTimeout       = time.Hour

	defaultAgentVersion    = "cli-2026.10.01-e373342"
	defaultStructuredTools = "composer-*,default,auto"

	// defaultKept is how many runs of a token are kept open, where any are.
	defaultKept = 4
	maxKept     = 64
	maxKeepRuns = 10 * time.Minute

	// maxModelIDs bounds the table of ids that an admin has written.
	maxModelIDs = 1000
)

// settings are those of an upstream. base and what else is a URL have no slash at the end.
type settings struct {
	base, agentBase string
	// site is the website that is asked about accounts; empty: none is. login is the one
	// where people log in.
	site, login string
	protocol    string
	// version is what the agent's protocol says of the client.
	version                  string
	proxy                    secret.Value
	connect, firstByte, idle time.Duration
	models                   map[string]string
	structuredTools, inText  []string
	// keepRuns is how long a run waits for what its calls come to; 0: none does. keptPerToken
	// is how many of a token do at a time.
	keepRuns     time.Duration
	keptPerToken int
}

// agentVersion is what the upstream takes for a version of its command line.
var agentVersion = ondemand.Regexp(`^cli-\d{4}\.\d\d\.\d\d-[0-9a-f]{7,}$`)

var parsers = wire.Parsers[settings]{
	"protocol":            parseProtocol,
	"agent_base_url":      func(s *settings, text string) error { return parseURL(&s.agentBase, text) },
	"site_url":            func(s *settings, text string) error { return parseURL(&s.site, text) },
	"client_version":      parseVersion,
	"proxy":               func(s *settings, text string) error { return wire.ParseProxy(&s.proxy, text) },
	"models":              parseModels,
	"structured_tools":    func(s *settings, text string) error { s.structuredTools = patterns(text); return nil },
	"system_in_text":      func(s *settings, text string) error { s.inText = patterns(text); return nil },
	"keep_runs":           parseKeepRuns,
	"kept_runs_per_token": parseKept,
	"connect_timeout":     func(s *settings, text string) error { return parseTimeout(&s.connect, text) },
	"first_byte_timeout":  func(s *settings, text string) error { return parseTimeout(&s.firstByte, text) },
	"idle_timeout":        func(s *settings, text string) error { return parseTimeout(&s.idle, text) },
}

// parseSettings reads what an upstream is configured with. An empty base URL is the real
// upstream. Where only the base URL is set no website is asked, because the token is for
// nobody but who was named.
func parseSettings(config upstream.Config) (*settings, error) {
	s := &settings{
		base:    defaultBaseURL,
		version: defaultAgentVersion, structuredTools: patterns(defaultStructuredTools),
		keptPerToken: defaultKept,
		connect:      defaultConnect, firstByte: defaultFirstByte, idle: defaultIdle,
	}
	var badBase error
	if config.BaseURL != "" {
		if badBase = parseURL(&s.base, config.BaseURL); badBase != nil {
			badBase = fmt.Errorf("base_url: %w", badBase)
		}
	}
	if err := errors.Join(badBase, parsers.Parse(s, config.Settings)); err != nil {
		return nil, err
	}
	s.complete()
	return s, nil
}

// complete fills in what follows from the rest.
func (s *settings) complete() {
	if s.protocol == "" {
		s.protocol = chatProtocol // records that name none are older than the choice
		if isCursors(s.base) {
			s.protocol = agentProtocol
		}
	}
	agent, site, login := s.base, s.site, cmp.Or(s.site, s.base)
	if s.base == defaultBaseURL {
		agent, site, login = defaultAgentBase, cmp.Or(s.site, defaultSite), cmp.Or(s.site, defaultLogin)
	}
	s.agentBase = cmp.Or(s.agentBase, agent)
	s.site, s.login = site, login
}

// isCursors tells whether the API is the real upstream's.
func isCursors(base string) bool {
	parsed, err := url.Parse(base)
	return err == nil && parsed.Scheme == "https" && strings.HasSuffix(parsed.Hostname(), ownDomain)
}

// hosts are URLs of those that requests go to with a token: the API's, and where runs are begun
// if that is another.
func (s *settings) hosts() []*url.URL {
	var hosts []*url.URL
	bases := []string{s.base}
	if s.protocol == agentProtocol {
		bases = append(bases, s.agentBase)
	}
	for _, base := range bases {
		parsed, err := url.Parse(base)
		known := func(host *url.URL) bool { return host.Scheme == parsed.Scheme && host.Host == parsed.Host }
		if err == nil && !slices.ContainsFunc(hosts, known) {
			hosts = append(hosts, parsed)
		}
	}
	return hosts
}

func parseProtocol(s *settings, text string) error {
	if text != agentProtocol && text != chatProtocol {
		return fmt.Errorf("%q is neither %s nor %s", text, agentProtocol, chatProtocol)
	}
	s.protocol = text
	return nil
}

func parseVersion(s *settings, text string) error {
	if !agentVersion.MatchString(text) {
		return errors.New("does not look like " + defaultAgentVersion)
	}
	s.version = text
	return nil
}

func parseModels(s *settings, text string) error {
	if json.Unmarshal([]byte(text), &s.models) != nil {
		return errors.New(`is no JSON object of texts, such as {"gpt-4o":"gpt-5.5-medium"}`)
	}
	if len(s.models) > maxModelIDs {
		return fmt.Errorf("has more than %d ids", maxModelIDs)
	}
	for id, to := range s.models {
		if id == "" || to == "" {
			return errors.New("has an empty id")
		}
	}
	return nil
}

// patterns reads a list with commas.
func patterns(text string) []string {
	var list []string
	for pattern := range strings.SplitSeq(text, ",") {
		if pattern = strings.TrimSpace(pattern); pattern != "" {
			list = append(list, pattern)
		}
	}
	return list
}

func parseTimeout(timeout *time.Duration, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 || value > maxTimeout {
		return fmt.Errorf("must be a duration up to %s, such as 60s", maxTimeout)
	}
	*timeout = value
	return nil
}

func parseKeepRuns(s *settings, text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 || value > maxKeepRuns {
		return fmt.Errorf("must be a duration up to %s, such as 2m; 0s keeps none", maxKeepRuns)
	}
	s.keepRuns = value
	return nil
}

func parseKept(s *settings, text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > maxKept {
		return fmt.Errorf("must be a number from 1 to %d", maxKept)
	}
	s.keptPerToken = value
	return nil
}

// parseURL reads a base URL.
func parseURL(to *string, text string) error {
	// url.Parse's own error repeats the text, and with it a password.
	base, err := url.Parse(text)
	var problem string
	switch {
	case err != nil:
		problem = "not a URL"
	case base.Scheme != "http" && base.Scheme != "https":
		problem = "must begin with http:// or https://"
	case base.Host == "":
		problem = "names no host"
	case base.User != nil:
		problem = "must not hold a user name or password"
	case base.RawQuery != "" || base.Fragment != "":
		problem = "must not hold a query or fragment"
	}
	if problem != "" {
		return errors.New(problem)
	}
	*to = strings.TrimRight(text, "/")
	return nil
}

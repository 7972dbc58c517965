package token

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/proto/valid"
)

// The drivers of upstreams.
const (
	DriverCursor    = "cursor"
	DriverOpenAI    = "openai"
	DriverAnthropic = "anthropic"
)

// Settings of upstreams that the tokenstore knows; all others are the drivers' own.
const (
	// SettingProxy is the outgoing proxy of an upstream. It may hold a password.
	SettingProxy = "proxy"
	// SettingProtocol is how a Cursor upstream is spoken with.
	SettingProtocol = "protocol"
	// ProtocolAgent is what new Cursor upstreams have.
	ProtocolAgent = "agent"
)

var drivers = []string{DriverAnthropic, DriverCursor, DriverOpenAI}

// Bounds of an upstream's lists.
const (
	maxModels      = 2000
	maxModel       = 200 // bytes
	maxParameters  = 100
	maxParameter   = 100     // bytes of a name
	maxParameterOf = 8 << 10 // bytes of a value
)

var upstreamName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// CheckUpstreamName refuses names that could not be part of `upstream/model`.
func CheckUpstreamName(name string) error {
	if !upstreamName.MatchString(name) {
		return errors.New("name: 1 to 40 lower-case letters, digits, `-` and `_`, beginning with a letter")
	}
	return nil
}

// CheckUpstream answers everything that is wrong with an upstream.
func CheckUpstream(upstream *tokenstorev1.Upstream) error {
	problems := []error{CheckUpstreamName(upstream.GetName())}
	if !slices.Contains(drivers, upstream.GetDriver()) {
		problems = append(problems, fmt.Errorf("driver: one of %s", strings.Join(drivers, ", ")))
	}
	problems = append(problems, checkBaseURL(upstream.GetBaseUrl()), checkModels(upstream.GetModels()))
	if len(upstream.GetSettings()) > maxParameters {
		problems = append(problems, fmt.Errorf("settings: at most %d", maxParameters))
	}
	for key, value := range upstream.GetSettings() {
		if key == "" || len(key) > maxParameter || len(value) > maxParameterOf {
			problems = append(problems, fmt.Errorf("settings: a key has 1 to %d bytes, a value at most %d", maxParameter, maxParameterOf))
			break
		}
	}
	problems = append(problems, CheckProxy(secret.New(upstream.GetSettings()[SettingProxy])))
	return errors.Join(problems...)
}

// CompleteUpstream is the upstream that is meant by one that is put where there is an old
// one, nil: none. A masked proxy keeps its password. A Cursor upstream that does not say how
// it is spoken with goes on as before, so that the same may be put twice; a new one speaks as
// new ones do. Whether it can be is for CheckUpstream to say.
func CompleteUpstream(put, old *tokenstorev1.Upstream) *tokenstorev1.Upstream {
	meant := proto.CloneOf(put)
	if meant.Settings == nil {
		meant.Settings = map[string]string{}
	}
	if written := meant.Settings[SettingProxy]; written != "" {
		meant.Settings[SettingProxy] = KeepProxy(secret.New(written), secret.New(old.GetSettings()[SettingProxy])).Reveal()
	}
	if meant.GetDriver() == DriverCursor && meant.Settings[SettingProtocol] == "" {
		if protocol := protocolBefore(old); protocol != "" {
			meant.Settings[SettingProtocol] = protocol
		}
	}
	return meant
}

// protocolBefore is how a Cursor upstream was spoken with; empty where its record is older than
// the choice.
func protocolBefore(old *tokenstorev1.Upstream) string {
	if old.GetDriver() != DriverCursor {
		return ProtocolAgent
	}
	return old.GetSettings()[SettingProtocol]
}

// MaskUpstream is what may be shown of an upstream: all but its proxy's password.
func MaskUpstream(upstream *tokenstorev1.Upstream) *tokenstorev1.Upstream {
	proxy := upstream.GetSettings()[SettingProxy]
	if proxy == "" {
		return upstream
	}
	shown := proto.CloneOf(upstream)
	shown.Settings[SettingProxy] = MaskProxy(secret.New(proxy))
	return shown
}

func checkBaseURL(text string) error {
	base, err := url.Parse(text)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return errors.New("base_url: an http or https URL with a host")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return errors.New("base_url: no user, query or fragment; keys belong to tokens")
	}
	return nil
}

func checkModels(models []string) error {
	if len(models) > maxModels {
		return fmt.Errorf("models: at most %d", maxModels)
	}
	for i, model := range models {
		switch {
		case model == "" || len(model) > maxModel:
			return fmt.Errorf("models: an id has 1 to %d bytes", maxModel)
		case valid.Line("model id", model) != nil || strings.ContainsRune(model, ' '):
			return errors.New("models: an id has no spaces and no control characters")
		case slices.Contains(models[:i], model):
			return fmt.Errorf("models: %s is there twice", model)
		}
	}
	return nil
}

package upstreamsim

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// apiKey is the credential of a request, in either header.
func apiKey(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return key
	}
	return bearer(r)
}

// betasOf are the beta headers' values, which may be lists.
func betasOf(r *http.Request) []string {
	var betas []string
	for _, header := range r.Header.Values("Anthropic-Beta") {
		for beta := range strings.SplitSeq(header, ",") {
			if beta = strings.TrimSpace(beta); beta != "" {
				betas = append(betas, beta)
			}
		}
	}
	return betas
}

// oauthPrefix begins the tokens that are a Bearer under every version.
const oauthPrefix = "sk-ant-oat"

// credentials is what is wrong with a request before its body is looked at.
func (m *messageCall) credentials() (int, *vendorError) {
	failure := func(status int, message string) (int, *vendorError) {
		failure := vendorErrorOf(status, "")
		failure.Message = message
		return status, &failure
	}
	header := m.r.Header
	key, token := header.Get("X-Api-Key"), bearer(m.r)
	version := header.Get("Anthropic-Version")
	contentType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	switch {
	case m.r.Method != http.MethodPost:
		return failure(http.StatusMethodNotAllowed, "Method Not Allowed")
	case header.Get("Origin") != "":
		return failure(http.StatusUnauthorized, "CORS requests are not allowed for this Organization")
	case key == "" && token == "":
		return failure(http.StatusUnauthorized, "x-api-key header is required")
	case key != "" && token != "" && key != token || len(header.Values("X-Api-Key")) > 1:
		return failure(http.StatusUnauthorized, "only one of x-api-key and Authorization may be set")
	case versionProblem(version) != "":
		return failure(http.StatusBadRequest, versionProblem(version))
	case key == "" && version == oldVersion && !strings.HasPrefix(token, oauthPrefix):
		return failure(http.StatusUnauthorized, "Invalid bearer token")
	case strings.TrimSpace(contentType) != jsonType:
		return failure(http.StatusBadRequest, fmt.Sprintf("content-type: %q is not application/json", contentType))
	}
	return 0, nil
}

func versionProblem(version string) string {
	switch version {
	case oldVersion, newVersion:
		return ""
	case "":
		return "anthropic-version: header is required"
	default:
		return fmt.Sprintf("anthropic-version: %q is not a valid version", version)
	}
}

// organizationPrefix begins the keys that tell which organization they belong to:
// sk-ant-org-<name>-<rest>, or sk-org-<name>-<rest> for those of OpenAI. Any other key has an
// organization of its own.
const (
	organizationPrefix       = "sk-ant-org-"
	openAIOrganizationPrefix = "sk-org-"
)

func organizationOf(token, fingerprint string) string {
	for _, prefix := range []string{organizationPrefix, openAIOrganizationPrefix} {
		if rest, found := strings.CutPrefix(token, prefix); found {
			name, _, _ := strings.Cut(rest, "-")
			return name
		}
	}
	return fingerprint
}

// organizationID is a UUID that is always the same for an organization.
func organizationID(organization string) string {
	sum := sha256.Sum256([]byte("organization " + organization))
	sum[6], sum[8] = 0x40|sum[6]&0x0f, 0x80|sum[8]&0x3f // version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// limitReset is when the limits of a rate limit header begin anew.
const limitReset = 30 * time.Second

// rateLimits are what an organization may do in a minute, with the beginnings of the
// headers that tell of it.
var rateLimits = []struct {
	header string
	limit  int
}{
	{"Anthropic-Ratelimit-Requests-", 4_000},
	{"Anthropic-Ratelimit-Tokens-", 480_000},
	{"Anthropic-Ratelimit-Input-Tokens-", 400_000},
	{"Anthropic-Ratelimit-Output-Tokens-", 80_000},
}

// limits sets the rate limit headers; used up means that nothing remains.
func (m *messageCall) limits(usedUp bool) {
	reset := limitReset
	if m.rule.RetryAfter > 0 {
		reset = m.rule.RetryAfter
	}
	at := m.sim.options.Now().Add(reset).UTC().Format(time.RFC3339)
	header := m.w.Header()
	for _, each := range rateLimits {
		remaining := each.limit - 1
		if usedUp {
			remaining = 0
		}
		header[each.header+"Limit"] = []string{strconv.Itoa(each.limit)}
		header[each.header+"Remaining"] = []string{strconv.Itoa(remaining)}
		header[each.header+"Reset"] = []string{at}
	}
}

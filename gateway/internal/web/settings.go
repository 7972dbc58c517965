package web

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/reflect/protoreflect"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	settingsPage = view{"settings", "settings", (*Site).loadSettings}
	contentsPage = view{"pages", "pages", (*Site).loadContents}
)

// setting is one row of the form.
type setting struct {
	// Name is its key in the admin API; the texts' keys are made of it.
	Name  string
	Value string
	// Env is the key of its first value in the environment; empty where it has none.
	Env string
	// Default holds where nobody has set anything; nil where the tokenstore does not say.
	Default *string
	// Control is switch, choice, cards, number, text or area.
	Control string
	Choices []string
	// Least and Most bound a number.
	Least, Most int
	// Change is nil where nobody has changed it: the default holds.
	Change *tokenstorev1.SettingChange
}

// previousShown bounds a value that is shown beside the present one, in characters.
const previousShown = 80

// Family is that of the texts of its values.
func (s setting) Family() string { return "choice." + s.Name }

// Standard is the default as it is shown.
func (s setting) Standard() string { return shortened(*cmp.Or(s.Default, new(string))) }

// Earlier is the value before the last change; nil where it is not known, or the same.
func (s setting) Earlier() *string {
	earlier := s.Default
	if !s.Change.GetPreviousDefault() {
		if s.Change == nil || s.Change.Previous == nil {
			return nil
		}
		earlier = s.Change.Previous
	}
	if earlier == nil || *earlier == s.Value {
		return nil
	}
	return earlier
}

// EarlierValue is Earlier in full, and EarlierShown as it is shown.
func (s setting) EarlierValue() string { return *cmp.Or(s.Earlier(), new(string)) }

// EarlierShown is Earlier as it is shown.
func (s setting) EarlierShown() string { return shortened(s.EarlierValue()) }

// shortened cuts a text between characters.
func shortened(text string) string {
	if runes := []rune(text); len(runes) > previousShown {
		return string(runes[:previousShown]) + "…"
	}
	return text
}

// Kind is how the scripts read its control: bool, number or text.
func (s setting) Kind() string {
	switch s.Control {
	case "switch":
		return "bool"
	case "number":
		return "number"
	}
	return "text"
}

// On tells whether a switch is.
func (s setting) On() bool { return s.Value == "true" }

// group are settings that belong together.
type group struct {
	Name     string
	Settings []setting
}

// groups says where each setting stands and how it is edited. A test looks that
// none is missing.
var groups = []group{
	{"chat", []setting{
		{Name: "enable_stream_check", Env: "ENABLE_STREAM_CHECK", Control: "switch"},
		{Name: "include_stop_stream", Env: "INCLUDE_STOP_REASON_STREAM", Control: "switch"},
		{Name: "enable_all_claude", Env: "PASS_ANY_CLAUDE", Control: "switch"},
		{Name: "vision_ability", Env: "VISION_ABILITY", Control: "choice", Choices: []string{"none", "base64", "all"}},
		{Name: "default_instructions", Env: "DEFAULT_INSTRUCTIONS", Control: "area"},
	}},
	{"pool", []setting{
		{Name: "max_attempts", Control: "number", Least: 1, Most: 10},
		{Name: "rotation_strategy", Control: "cards", Choices: []string{"round_robin", "least_in_flight", "fill_first", "sticky"}},
		{Name: "affinity", Control: "choice", Choices: []string{"conversations", "named", "off"}},
		{Name: "queue_wait_ms", Control: "number", Least: 0, Most: 600_000},
		{Name: "enable_own_tokens", Env: "ENABLE_OWN_TOKENS", Control: "switch"},
		{Name: "enable_alias_pinning", Env: "ENABLE_ALIAS_PINNING", Control: "switch"},
		{Name: "list_all_models", Env: "LIST_ALL_MODELS", Control: "switch"},
	}},
	{"cursor", []setting{
		{Name: "cursor_client_version", Control: "text"},
		{Name: "cursor_timezone", Control: "text"},
		{Name: "enable_slow_pool", Env: "ENABLE_SLOW_POOL", Control: "switch"},
		{Name: "check_usage_models_type", Control: "choice", Choices: []string{"none", "default", "all", "list"}},
		{Name: "check_usage_models", Control: "text"},
	}},
	{"log", []setting{
		{Name: "log_prompts", Env: "LOG_PROMPTS", Control: "switch"},
		{Name: "log_retention_count", Env: "LOG_RETENTION_COUNT", Control: "number", Least: 1, Most: 1_000_000},
		{Name: "log_retention_hours", Env: "LOG_RETENTION_HOURS", Control: "number", Least: 0, Most: 8_760},
		{Name: "log_prompt_mb", Env: "LOG_PROMPT_MB", Control: "number", Least: 1, Most: 1 << 20},
	}},
}

type settingsData struct {
	Groups  []group
	Version uint64
	Pages   []content
	// Shares are nil where there are none to show.
	Shares *shares
}

func (s *Site) loadSettings(ctx context.Context, _ *gin.Context) (any, error) {
	answer, err := s.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return nil, err
	}
	return settingsData{
		Groups: filled(answer), Version: answer.GetSettings().GetVersion(), Pages: contentsOf(answer),
		Shares: s.sharesNow(ctx, time.Now()),
	}, nil
}

// filled is groups with what is stored.
func filled(answer *tokenstorev1.GetSettingsResponse) []group {
	values, defaults := answer.GetSettings().ProtoReflect(), answer.GetDefaults().ProtoReflect()
	filled := make([]group, 0, len(groups))
	for _, g := range groups {
		rows := make([]setting, 0, len(g.Settings))
		for _, row := range g.Settings {
			if field := values.Descriptor().Fields().ByName(protoreflect.Name(row.Name)); field != nil {
				row.Value = fmt.Sprint(values.Get(field).Interface())
				if standard := fmt.Sprint(defaults.Get(field).Interface()); defaults.IsValid() {
					row.Default = &standard
				}
			}
			row.Change = changeOf(answer, row.Name)
			rows = append(rows, row)
		}
		filled = append(filled, group{g.Name, rows})
	}
	return filled
}

func changeOf(answer *tokenstorev1.GetSettingsResponse, name string) *tokenstorev1.SettingChange {
	for _, change := range answer.GetChanges() {
		if change.GetName() == name {
			return change
		}
	}
	return nil
}

// content is what one address of the site serves.
type content struct {
	Path string
	// Kind is default, text or html.
	Kind   string
	Text   string
	Change *tokenstorev1.SettingChange
}

// Anchor is its id on the page.
func (c content) Anchor() string {
	for i, path := range contentPaths {
		if path == c.Path {
			return "page-" + strconv.Itoa(i)
		}
	}
	return "page"
}

// contentPaths are the addresses whose content can be replaced.
var contentPaths = []string{
	"/", "/logs", "/config", "/tokeninfo", "/about", "/readme", "/static/shared-styles.css", "/static/shared.js",
}

var pageKinds = map[tokenstorev1.PageKind]string{
	tokenstorev1.PageKind_PAGE_KIND_TEXT: "text",
	tokenstorev1.PageKind_PAGE_KIND_HTML: "html",
}

func contentsOf(answer *tokenstorev1.GetSettingsResponse) []content {
	contents := make([]content, 0, len(contentPaths))
	for _, path := range contentPaths {
		one := content{Path: path, Kind: "default", Change: changeOf(answer, path)}
		for _, page := range answer.GetPages() {
			if kind := pageKinds[page.GetKind()]; page.GetPath() == path && kind != "" {
				one.Kind, one.Text = kind, page.GetContent()
			}
		}
		contents = append(contents, one)
	}
	return contents
}

type contentsData struct {
	Pages   []content
	Kinds   []string
	Version uint64
}

func (s *Site) loadContents(ctx context.Context, _ *gin.Context) (any, error) {
	answer, err := s.Config.GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	if err != nil {
		return nil, err
	}
	return contentsData{contentsOf(answer), []string{"default", "text", "html"}, answer.GetSettings().GetVersion()}, nil
}

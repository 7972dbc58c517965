package token

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Bounds of settings.
const (
	maxInstructions = 64 << 10 // bytes
	maxHeader       = 128      // bytes of a value that becomes a header
	maxModelList    = 16 << 10 // bytes
	maxRetention    = 1_000_000
	maxRetentionAge = 8760    // hours: a year
	maxPromptMB     = 1 << 20 // MiB: a TiB
	maxAttempts     = 10
	maxQueueWait    = 600_000 // ms
)

// DefaultSettings are those of a store whose environment says nothing.
func DefaultSettings() *tokenstorev1.Settings {
	return &tokenstorev1.Settings{
		EnableStreamCheck:    true,
		IncludeStopStream:    true,
		VisionAbility:        "base64",
		CheckUsageModelsType: "default",
		CursorClientVersion:  "0.42.5",
		CursorTimezone:       "UTC",
		LogPrompts:           true,
		LogRetentionCount:    10_000,
		LogPromptMb:          256,
		MaxAttempts:          3,
		QueueWaitMs:          30_000,
		RotationStrategy:     RoundRobin,
		Affinity:             AffinityConversations,
	}
}

// SettingField finds a setting by the name that admins use. The version and the
// time of the last change are no settings.
func SettingField(name string) (protoreflect.FieldDescriptor, error) {
	fields := (*tokenstorev1.Settings)(nil).ProtoReflect().Descriptor().Fields()
	field := fields.ByName(protoreflect.Name(name))
	if field == nil || name == "version" || field.Message() != nil {
		return nil, fmt.Errorf("%q is not a setting", name)
	}
	return field, nil
}

// visionAbilities are the spellings that the settings' users know.
var visionAbilities = map[string]string{
	"none": "none", "disabled": "none",
	"base64": "base64", "base64-only": "base64",
	"all": "all", "base64-http": "all", "url": "all",
}

// NormalizeSettings brings values that have several spellings to the contract's.
func NormalizeSettings(settings *tokenstorev1.Settings) {
	if settings.GetRotationStrategy() == "weighted" { // what round robin is, with weights
		settings.RotationStrategy = RoundRobin
	}
	if known := visionAbilities[strings.ToLower(settings.GetVisionAbility())]; known != "" {
		settings.VisionAbility = known
	}
}

// CheckSettings answers everything that is wrong with the settings, each problem
// beginning with the setting's name.
func CheckSettings(s *tokenstorev1.Settings) error {
	return errors.Join(
		oneOf("vision_ability", s.GetVisionAbility(), "none", "base64", "all"),
		oneOf("check_usage_models_type", s.GetCheckUsageModelsType(), "none", "default", "all", "list"),
		oneOf("rotation_strategy", s.GetRotationStrategy(), RoundRobin, LeastInFlight, FillFirst, Sticky),
		oneOf("affinity", s.GetAffinity(), AffinityConversations, AffinityNamed, AffinityOff),
		within("log_retention_count", s.GetLogRetentionCount(), 1, maxRetention),
		within("log_retention_hours", s.GetLogRetentionHours(), 0, maxRetentionAge),
		within("log_prompt_mb", s.GetLogPromptMb(), 1, maxPromptMB),
		within("max_attempts", s.GetMaxAttempts(), 1, maxAttempts),
		within("queue_wait_ms", s.GetQueueWaitMs(), 0, maxQueueWait),
		shortText("default_instructions", s.GetDefaultInstructions(), maxInstructions),
		shortText("check_usage_models", s.GetCheckUsageModels(), maxModelList),
		header("cursor_client_version", s.GetCursorClientVersion()),
		header("cursor_timezone", s.GetCursorTimezone()),
	)
}

func oneOf(name, value string, allowed ...string) error {
	for _, each := range allowed {
		if value == each {
			return nil
		}
	}
	return fmt.Errorf("%s: one of %s", name, strings.Join(allowed, ", "))
}

func within(name string, value, low, high uint32) error {
	if value < low || value > high {
		return fmt.Errorf("%s: %d to %d", name, low, high)
	}
	return nil
}

func shortText(name, value string, limit int) error {
	if len(value) > limit || !utf8.ValidString(value) {
		return fmt.Errorf("%s: text of at most %d bytes", name, limit)
	}
	return nil
}

func header(name, value string) error {
	wrong := value == "" || len(value) > maxHeader || value != strings.TrimSpace(value)
	for _, r := range value {
		wrong = wrong || r < ' ' || r > '~'
	}
	if wrong {
		return fmt.Errorf("%s: 1 to %d printable ASCII characters", name, maxHeader)
	}
	return nil
}

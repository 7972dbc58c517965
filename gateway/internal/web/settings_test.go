package web

import (
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Each setting of the contract has its row, and each row its texts.
func TestEverySettingIsShown(t *testing.T) {
	t.Parallel()
	rows := map[string]setting{}
	for _, g := range filled(&tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{}}) {
		for _, row := range g.Settings {
			rows[row.Name] = row
		}
	}
	catalogue := loadTexts(english)
	fields := (&tokenstorev1.Settings{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if name == "version" || name == "updated_at" {
			continue
		}
		row, shown := rows[name]
		if !shown || catalogue["setting."+name] == "" || catalogue["setting."+name+".help"] == "" {
			t.Errorf("%s: shown %v, or without texts", name, shown)
		}
		for _, choice := range row.Choices {
			if catalogue["choice."+name+"."+choice] == "" {
				t.Errorf("%s: the choice %s has no text", name, choice)
			}
		}
	}
}

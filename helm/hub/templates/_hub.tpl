{{/* hub.toml as hub.settings reads it. A JSON string is a TOML string. */}}
{{- define "kelsey.hubToml" -}}
[hub]
{{- if eq .Values.database.type "sqlite" }}
database_url = "sqlite:////var/lib/kelsey/hub.sqlite"
{{- else }}
database_url_file = "/etc/kelsey/secrets/database/{{ .Values.database.secretKeys.url }}"
{{- end }}
protocol_file = "/etc/kelsey/protocol/{{ .Values.hub.protocol.key }}"
listen = "0.0.0.0:8080"
public_url = {{ .Values.hub.publicUrl | toJson }}
evaluation_grace_seconds = {{ printf "%.1f" (float64 .Values.hub.evaluationGraceSeconds) }}
heartbeat_seconds = {{ printf "%.1f" (float64 .Values.hub.heartbeatSeconds) }}
log_format = {{ .Values.hub.logFormat | toJson }}

[webhooks]
allow_addresses = {{ .Values.webhooks.allowAddresses | toJson }}
timeout_seconds = {{ printf "%.1f" (float64 .Values.webhooks.timeoutSeconds) }}
{{- if .Values.caBundle.existingConfigMap }}
ca_file = "/etc/kelsey/ca/{{ .Values.caBundle.key }}"
{{- end }}
{{- range .Values.sites }}

[[site]]
id = {{ .id | toJson }}
public_key_file = "/etc/kelsey/config/site-{{ .id }}.pub"
{{- end }}
{{- range .Values.aggregators }}

[[aggregator]]
role = {{ .role | toJson }}
public_key_file = "/etc/kelsey/config/aggregator-{{ .role }}.pub"
{{- end }}
{{- range .Values.apiKeys }}

[[api_key]]
name = {{ .name | toJson }}
role = {{ .role | toJson }}
{{- with .site }}
site = {{ . | toJson }}
{{- end }}
key_file = "/etc/kelsey/secrets/api-key-{{ .name }}/{{ .key }}"
{{- end }}
{{- end }}

{{/* What a schema cannot say, gathered into one list, in words. */}}
{{- define "kelsey.validate" -}}
{{- $missing := list -}}
{{- $v := .Values -}}
{{- if not $v.hub.publicUrl }}{{ $missing = append $missing "hub.publicUrl is empty: give the address under which sites and subscribers reach the hub" }}{{ end -}}
{{- with $v.hub.protocol }}
{{- if and .existingConfigMap .existingClaim }}{{ $missing = append $missing "hub.protocol.existingConfigMap and .existingClaim exclude each other: the protocol's folder comes from one of them" }}
{{- else if not (include "kelsey.protocolPlace" .) }}{{ $missing = append $missing "hub.protocol.existingConfigMap is empty: name the ConfigMap with the protocol the sites have accepted, or existingClaim, the volume with it and its artefacts" }}{{ end -}}
{{- end -}}
{{- with $v.hub.protocol.activated }}{{ if ne (empty .hash) (empty .by) }}{{ $missing = append $missing "hub.protocol.activated: give hash and by, or neither" }}{{ end }}{{ end -}}
{{- if not $v.sites }}{{ $missing = append $missing "sites is empty: register at least one site with its public key" }}{{ end -}}
{{- $sites := list -}}
{{- range $v.sites }}
{{- if has .id $sites }}{{ $missing = append $missing (printf "sites: %s is there twice" .id) }}{{ end -}}
{{- $sites = append $sites .id -}}
{{- end -}}
{{- $roles := list -}}
{{- range $v.aggregators }}{{ $roles = append $roles .role }}{{ end -}}
{{- if and $roles (ne (join " " (sortAlpha $roles)) "helper leader") }}{{ $missing = append $missing "aggregators: give one leader and one helper, or none" }}{{ end -}}
{{- $names := list -}}
{{- range $v.apiKeys }}
{{- if has .name $names }}{{ $missing = append $missing (printf "apiKeys: the name %s is there twice" .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- if and .site (not (has .site $sites)) }}{{ $missing = append $missing (printf "apiKeys: %s is for site %s, which is not registered under sites" .name .site) }}{{ end -}}
{{- end -}}
{{- if eq $v.database.type "postgresql" -}}
{{- if not $v.database.existingSecret }}{{ $missing = append $missing "database.existingSecret is empty: name the Secret with the PostgreSQL URL, or set database.type=sqlite for a pilot" }}{{ end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.database.to) }}{{ $missing = append $missing "networkPolicy.database.to is empty: say where PostgreSQL is, e.g. [{ipBlock: {cidr: 10.1.2.3/32}}]" }}{{ end -}}
{{- end -}}
{{- if $v.ingress.enabled -}}
{{- if not $v.ingress.host }}{{ $missing = append $missing "ingress.host is empty: give the host name of the hub" }}{{ end -}}
{{- if not $v.ingress.tlsSecret }}{{ $missing = append $missing "ingress.tlsSecret is empty: API keys must not travel without TLS" }}{{ end -}}
{{- end -}}
{{- range $v.extraVolumes }}
{{- if hasKey . "hostPath" }}{{ $missing = append $missing (printf "extraVolumes: %s is a hostPath, which restricted pod security forbids: use a persistentVolumeClaim" .name) }}{{ end -}}
{{- end -}}
{{- if $missing }}{{ fail (printf "\n\nkelsey-hub cannot be installed with these values:\n  - %s\n" (join "\n  - " $missing)) }}{{ end -}}
{{- end }}

{{/* What a schema cannot say, gathered into one list, in words. */}}
{{- define "kelsey.validate" -}}
{{- $missing := list -}}
{{- $v := .Values -}}
{{- if not $v.site.id }}{{ $missing = append $missing "site.id is empty: give the name under which the hub knows this site" }}
{{- else if not (regexMatch "^[a-z0-9][a-z0-9-]{0,62}$" $v.site.id) }}{{ $missing = append $missing (printf "site.id is %q: use lower case letters, digits and dashes, at most 63" $v.site.id) }}{{ end -}}
{{- if not $v.site.existingSecret }}{{ $missing = append $missing "site.existingSecret is empty: name the Secret with the pseudonym key and the signing key (docs/operations.md, step 2)" }}{{ end -}}
{{- if not $v.kafka.bootstrap }}{{ $missing = append $missing "kafka.bootstrap is empty: give host:port of the site's Kafka" }}{{ end -}}
{{- if and (include "kelsey.kafkaSecretKeys" .) (not $v.kafka.existingSecret) }}{{ $missing = append $missing (printf "kafka.existingSecret is empty: securityProtocol %s needs a Secret with %s" $v.kafka.securityProtocol (include "kelsey.kafkaSecretKeys" .)) }}{{ end -}}
{{- if and (hasPrefix "SASL" $v.kafka.securityProtocol) (not $v.kafka.username) }}{{ $missing = append $missing (printf "kafka.username is empty: securityProtocol %s needs one" $v.kafka.securityProtocol) }}{{ end -}}
{{- if ne (empty $v.kafka.secretKeys.certificate) (empty $v.kafka.secretKeys.key) }}{{ $missing = append $missing "kafka.secretKeys.certificate and .key belong together: give both or neither" }}{{ end -}}
{{- if not $v.sources }}{{ $missing = append $missing "sources is empty: name at least one place records come from" }}{{ end -}}
{{- if and $v.site.vocabulary $v.site.vocabularyFile.existingConfigMap }}{{ $missing = append $missing "site.vocabulary and site.vocabularyFile exclude each other" }}{{ end -}}
{{- $names := list -}}
{{- range $v.sources }}
{{- if has .name $names }}{{ $missing = append $missing (printf "sources: the name %s is there twice; it is part of every case key" .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range $role := list "connector" "worker" "gate" }}
{{- range (index $v $role).extraVolumes }}
{{- if hasKey . "hostPath" }}{{ $missing = append $missing (printf "%s.extraVolumes: %s is a hostPath, which restricted pod security forbids: use a persistentVolumeClaim" $role .name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with $v.site.protocol }}{{ if and .existingConfigMap .existingClaim }}{{ $missing = append $missing "site.protocol.existingConfigMap and .existingClaim exclude each other: the protocol's folder comes from one of them" }}{{ end }}{{ end -}}
{{- if $v.gate.enabled -}}
{{- if not (include "kelsey.protocolPlace" $v.site.protocol) }}{{ $missing = append $missing "site.protocol.existingConfigMap is empty: the gate releases only under a protocol you have accepted, from a ConfigMap or (existingClaim) a volume; set gate.enabled=false to count without releasing" }}{{ end -}}
{{- with $v.site.protocol }}{{ if or (not .accepted.hash) (not .accepted.by) }}{{ $missing = append $missing "site.protocol.accepted is not complete: read the protocol with `kelsey protocol show protocol.json`; whoever accepts it gives its hash and their name" }}{{ end }}{{ end -}}
{{- if $v.secureSum.aggregators -}}
{{- $roles := list -}}
{{- range $v.secureSum.aggregators }}{{ $roles = append $roles .role }}{{ end -}}
{{- if ne (join " " (sortAlpha $roles)) "helper leader" }}{{ $missing = append $missing (printf "secureSum.aggregators: give one leader and one helper, not %s" (join " and " $roles)) }}{{ end -}}
{{- if not $v.secureSum.tls.existingSecret }}{{ $missing = append $missing "secureSum.tls.existingSecret is empty: name the Secret with the certificate and the key that the site shows the aggregators" }}{{ end -}}
{{- if or $v.hub.url $v.hub.existingSecret }}{{ $missing = append $missing "hub and secureSum exclude each other: releases go to the hub or in shares to the aggregators, as the protocol says" }}{{ end -}}
{{- if $v.proxy.httpsProxy }}{{ $missing = append $missing "proxy.httpsProxy is for the hub: aggregators are called directly; leave it empty" }}{{ end -}}
{{- else -}}
{{- if not $v.hub.url }}{{ $missing = append $missing "hub.url is empty: give the https address of the hub (or secureSum.aggregators, where the protocol sums securely), or set gate.enabled=false" }}{{ end -}}
{{- if not $v.hub.existingSecret }}{{ $missing = append $missing "hub.existingSecret is empty: name the Secret with this site's API key for the hub" }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int $v.worker.replicas) 1) (not $v.worker.persistence.existingClaim) }}{{ $missing = append $missing (printf "worker.replicas is %d, but each worker would have a volume of its own and a partition that moves would lose its wallet: set worker.persistence.existingClaim to a claim all workers can mount, or keep one worker" (int $v.worker.replicas)) }}{{ end -}}
{{- if gt (int $v.worker.replicas) (int $v.kafka.partitions) }}{{ $missing = append $missing (printf "worker.replicas is %d but there are only %d partitions: the others would have nothing to do" (int $v.worker.replicas) (int $v.kafka.partitions)) }}{{ end -}}
{{- if $v.networkPolicy.enabled }}{{ $missing = concat $missing (include "kelsey.validatePolicy" . | fromYamlArray) }}{{ end -}}
{{- if $missing }}{{ fail (printf "\n\nkelsey-site cannot be installed with these values:\n  - %s\n" (join "\n  - " $missing)) }}{{ end -}}
{{- end }}

{{/* YAML list of what is wrong with the network policy's peers. */}}
{{- define "kelsey.validatePolicy" -}}
{{- $wrong := list -}}
{{- $policy := .Values.networkPolicy -}}
{{- $out := ternary "aggregators" "hub" (not (empty .Values.secureSum.aggregators)) -}}
{{- $hasServer := false -}}
{{- range .Values.sources }}{{ if eq .type "fhir-server" }}{{ $hasServer = true }}{{ end }}{{ end -}}
{{- if not $policy.kafka.to }}{{ $wrong = append $wrong "networkPolicy.kafka.to is empty: say where Kafka is, e.g. [{ipBlock: {cidr: 10.1.2.0/28}}]" }}{{ end -}}
{{- if and $hasServer (not $policy.sources.to) }}{{ $wrong = append $wrong "networkPolicy.sources.to is empty: say where the FHIR servers are, e.g. [{ipBlock: {cidr: 10.1.3.4/32}}]" }}{{ end -}}
{{- if and .Values.gate.enabled (not (index $policy $out).to) }}{{ $wrong = append $wrong (printf "networkPolicy.%s.to is empty: say where the %s, e.g. [{ipBlock: {cidr: 198.51.100.7/32}}]" $out (ternary "aggregators are" "hub (or the proxy on the way to it) is" (eq $out "aggregators"))) }}{{ end -}}
{{- range $rule := list "kafka" "sources" "dns" -}}
{{- range $peer := (index $policy $rule).to -}}
{{- if has (dig "ipBlock" "cidr" "" $peer) (list "0.0.0.0/0" "::/0") }}{{ $wrong = append $wrong (printf "networkPolicy.%s.to holds the whole internet: then more than the gate could reach the %s" $rule $out) }}{{ end -}}
{{- if and (not (hasKey $peer "ipBlock")) (not (hasKey $peer "podSelector")) (empty (dig "namespaceSelector" dict $peer)) }}{{ $wrong = append $wrong (printf "networkPolicy.%s.to holds a peer that means every pod: name a namespace or pods" $rule) }}{{ end -}}
{{- if and (has $peer (index $policy $out).to) (ne $rule "dns") }}{{ $wrong = append $wrong (printf "networkPolicy.%s.to and networkPolicy.%s.to name the same peer: then more than the gate could reach the %s" $rule $out $out) }}{{ end -}}
{{- end -}}
{{- end -}}
{{ toYaml $wrong }}
{{- end }}

{{- define "labels" -}}
app: jupyterhub
release: {{ .root.Release.Name }}
component: {{ .component }}
{{- end }}

{{- define "container.security" -}}
allowPrivilegeEscalation: false
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Egress rules by their official names; `.rules` are switches, `.metadata` the address of the cloud's metadata server. */ -}}
{{- define "egress" -}}
{{- $dns := list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP") -}}
{{- $private := list (dict "ipBlock" (dict "cidr" "10.0.0.0/8")) (dict "ipBlock" (dict "cidr" "172.16.0.0/12")) (dict "ipBlock" (dict "cidr" "192.168.0.0/16")) -}}
{{- $metadata := printf "%s/32" .metadata -}}
{{- $metadataBlock := list (dict "ipBlock" (dict "cidr" $metadata)) -}}
{{- $kubeSystem := list (dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" "kube-system"))) -}}
{{- $found := list -}}
{{- if .rules.cloudMetadataServer }}{{ $found = append $found (dict "to" $metadataBlock) }}{{ end -}}
{{- if .rules.dnsPortsCloudMetadataServer }}{{ $found = append $found (dict "to" $metadataBlock "ports" $dns) }}{{ end -}}
{{- if .rules.dnsPortsKubeSystemNamespace }}{{ $found = append $found (dict "to" $kubeSystem "ports" $dns) }}{{ end -}}
{{- if .rules.dnsPortsPrivateIPs }}{{ $found = append $found (dict "to" $private "ports" $dns) }}{{ end -}}
{{- if .rules.privateIPs }}{{ $found = append $found (dict "to" $private) }}{{ end -}}
{{- if .rules.nonPrivateIPs -}}
{{- $outside := dict "cidr" "0.0.0.0/0" "except" (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" $metadata) -}}
{{- $found = append $found (dict "to" (list (dict "ipBlock" $outside))) -}}
{{- end -}}
{{- range concat $found .further }}
- {{ toJson . }}
{{- end -}}
{{- end }}

# shellcheck shell=bash
# Certificate authorities of our own, and what they sign.  Their keys stay in the private
# volume.

# a certificate is issued anew when it has less than 60 of its days left
DAYS=397
RENEW_SECONDS=$((60 * 86400))

new_key()
{
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

# make_authority <name>
make_authority()
{
	local folder=$PRIVATE/$1

	if [ ! -s "$folder/ca.crt" ]; then
		mkdir -p "$folder"
		new_key "$folder/ca.key"
		openssl req -x509 -new -key "$folder/ca.key" -days 3650 -subj "/CN=dualdb $1" \
			-addext 'basicConstraints = critical,CA:true,pathlen:0' \
			-addext 'keyUsage = critical,keyCertSign,cRLSign' -out "$folder/ca.crt.new"
		mv "$folder/ca.crt.new" "$folder/ca.crt"
	fi
}

# issue <authority> <name> <common name> <extensions>
issue()
{
	local folder=$PRIVATE/$1
	local file=$folder/$2

	if ! openssl x509 -in "$file.crt" -checkend $RENEW_SECONDS -noout >/dev/null 2>&1; then
		new_key "$file.key"
		openssl req -new -key "$file.key" -subj "/CN=$3" -out "$file.csr"
		openssl x509 -req -in "$file.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" \
			-days $DAYS -extfile <(printf '%b' "$4") -out "$file.crt.new" 2>/dev/null
		mv "$file.crt.new" "$file.crt"
	fi
}

# give_server <authority> <volume> <subjectAltName>
give_server()
{
	issue "$1" server "$1" "extendedKeyUsage = serverAuth\nsubjectAltName = $3\n"
	give "$PRIVATE/$1/server.key" "$2" "$POSTGRES" server.key
	give "$PRIVATE/$1/server.crt" "$2" "$POSTGRES" server.crt
	give_authority "$2" "$POSTGRES" "$1"
}

# give_client <authority> <volume> <name> <role>
give_client()
{
	issue "$1" "$3" "$4" 'extendedKeyUsage = clientAuth\n'
	give "$PRIVATE/$1/$3.key" "$2" "$POSTGRES" "$3.key"
	give "$PRIVATE/$1/$3.crt" "$2" "$POSTGRES" "$3.crt"
}

# give_authority <volume> <uid> <authority>
give_authority()
{
	give "$PRIVATE/$3/ca.crt" "$1" "$2" ca.crt
}

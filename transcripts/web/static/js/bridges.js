// How each phone system is configured, as docs/bridges.md describes it.  tests/browser/test_connect.py compares the
// list with the dialects of the gateway.
//
// `snippet({ws, http, audiosocket, key})` returns the text to copy.  `ws`, `http`: addresses of the gateway without
// a path; `key` is empty if the site has none.  `isCloud`: its servers are on the Internet, and accept wss:// only.

const when = (key, text) => (key ? text : "");
const host = (url) => url.replace(/^wss?:\/\//, "");
const withKey = (ws, key) => (key ? ws.replace("://", `://x:${key}@`) : ws);      // Basic's password

export const BRIDGES = [
  {
    id: "twilio", name: "Twilio", dialects: ["twilio"], isCloud: true,
    note: "Put this into the TwiML of your number. Twilio must reach this server from the Internet by wss://.",
    keyNote: "Twilio shows no key: it signs its requests. Give its auth token to the gateway once, with “trunkline keys trust twilio main --scope ingest”.",
    snippet: ({ ws }) => `<Response>
  <Start>
    <Stream url="${ws}/twilio" track="both_tracks">
      <Parameter name="keywords" value="Acme, Priya Raman"/>
      <Parameter name="roles" value="inbound:customer,outbound:agent"/>
    </Stream>
  </Start>
  <Dial>+15550100</Dial>
</Response>`,
  },
  {
    id: "asterisk", name: "Asterisk", dialects: ["asterisk"],
    note: "Asterisk 20.16, 21.11, 22.6, 23.0 or newer, with chan_websocket.",
    snippet: ({ ws, key }) => `; websocket_client.conf
[trunkline]
type = websocket_client
connection_type = per_call_config
uri = ${ws}/asterisk
protocols = media${when(key, `
username = trunkline
password = ${key}`)}

; extensions.conf
 same => n,Dial(WebSocket/trunkline/c(ulaw)f(json)d(in)v(callid=\${UNIQUEID},leg=customer,keywords=Acme))`,
  },
  {
    id: "audiosocket", name: "AudioSocket", dialects: ["audiosocket"],
    note: "Asterisk without chan_websocket. The port has no password: keep it private, and announce each call.",
    snippet: ({ http, audiosocket, key }) => `; extensions.conf
exten => s,1,Answer()
 same => n,Set(ID=\${UUID()})${when(key, `
 same => n,Set(CURLOPT(httpheader)=Authorization: Bearer ${key})`)}
 same => n,Set(ANNOUNCED=\${CURL(${http}/v1/audiosocket/\${ID},call_id=\${UNIQUEID}&role=customer&keywords=Acme)})
 same => n,AudioSocket(\${ID},${audiosocket || "HOST:8082"})`,
  },
  {
    id: "freeswitch", name: "FreeSWITCH", dialects: ["freeswitch"],
    note: "With mod_audio_stream or mod_audio_fork. On the tapped leg, “read” is the customer and “write” the agent.",
    snippet: ({ ws, key }) => `uuid_audio_stream <uuid> start ${withKey(ws, key)}/freeswitch?mix=stereo&rate=8k stereo 8k {"call_id":"<uuid>","keywords":"Acme"}`,
  },
  {
    id: "jambonz", name: "jambonz", dialects: ["jambonz"],
    note: "Add a custom speech vendor “trunkline” with this recognition URL and key, then use the verb.",
    snippet: ({ ws, key }) => `Recognition URL: ${ws}/jambonz${when(key, `
API key:         ${key}`)}

{"verb": "transcribe", "recognizer": {"vendor": "custom:trunkline", "language": "en-US",
 "interim": true, "hints": ["Acme"], "customOptions": {"options": {"channels": 2}}}}`,
  },
  {
    id: "genesys", name: "Genesys", dialects: ["audiohook"], isCloud: true,
    note: "The AudioHook Monitor integration. Genesys must reach this server from the Internet by wss://.",
    snippet: ({ ws, key }) => `Connection URI:       ${ws}/audiohook
Custom configuration: {"keywords":"Acme, Priya Raman"}${when(key, `
API key:              ${key}`)}`,
  },
  {
    id: "telnyx", name: "Telnyx", dialects: ["telnyx"], isCloud: true,
    note: "The body of streaming_start, or of the command that answers or dials. If Telnyx sends only one track, add ?tracks=inbound to the URL.",
    snippet: ({ ws, key }) => `{"stream_url": "${withKey(ws, key)}/telnyx?keywords=Acme,Priya%20Raman",
 "stream_track": "both_tracks", "stream_codec": "PCMU"}`,
  },
  {
    id: "signalwire", name: "SignalWire", dialects: ["signalwire"], isCloud: true,
    note: "Put this into the cXML of your number.",
    snippet: ({ ws, key }) => `<Response>
  <Start>
    <Stream url="${withKey(ws, key)}/signalwire" track="both_tracks">
      <Parameter name="keywords" value="Acme, Priya Raman"/>
    </Stream>
  </Start>
  <Dial>+15550100</Dial>
</Response>`,
  },
  {
    id: "plivo", name: "Plivo", dialects: ["plivo"], isCloud: true,
    note: "Put this into the XML of your number.",
    snippet: ({ ws, key }) => `<Response>
  <Stream bidirectional="false" audioTrack="both" contentType="audio/x-l16;rate=8000">${withKey(ws, key)}/plivo?keywords=Acme</Stream>
  <Dial><Number>+15550100</Number></Dial>
</Response>`,
  },
  {
    id: "exotel", name: "Exotel", dialects: ["exotel"], isCloud: true,
    note: "The URL of a Stream applet. If Exotel sends both tracks, add &tracks=inbound,outbound instead of the roles.",
    snippet: ({ ws, key }) => `${withKey(ws, key)}/exotel?roles=inbound:mixed&keywords=Acme`,
  },
  {
    id: "vonage", name: "Vonage", dialects: ["vonage"], isCloud: true,
    note: "An NCCO. The audio is the mix of the conference; for two tracks connect two WebSockets with canHear, each with its own call_id and role.",
    keyNote: "Vonage sends no key. Your server signs a JSON Web Token for each call and puts it into the URL: “Tokens for browsers” in docs/security.md.",
    snippet: ({ ws, key }) => `[{"action": "connect", "endpoint": [{"type": "websocket",
  "uri": "${ws}/vonage${when(key, "?token=YOUR_TOKEN")}",
  "content-type": "audio/l16;rate=8000",
  "headers": {"call_id": "CALL_UUID", "keywords": "Acme, Priya Raman", "role": "mixed"}}]}]`,
  },
  {
    id: "deepgram", name: "Deepgram SDK", dialects: ["deepgram"],
    note: "Software that was written for Deepgram: change the address and the key, keep the code.",
    snippet: ({ ws, http, key }) => `from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment

here = DeepgramClientEnvironment(base="${http}", production="${ws}", agent="${ws}", agent_rest="${http}")
client = AsyncDeepgramClient(api_key="${key || "any"}", environment=here)`,
  },
  {
    id: "assemblyai", name: "AssemblyAI SDK", dialects: ["assemblyai"],
    note: "Software that was written for AssemblyAI's streaming: change the address and the key, keep the code.",
    snippet: ({ ws, key }) => `from assemblyai.streaming.v3 import StreamingClient, StreamingClientOptions

client = StreamingClient(StreamingClientOptions(api_key="${key || "any"}", api_host="${ws}"))`,
  },
  {
    id: "openai", name: "OpenAI SDK", dialects: ["openai"],
    note: "Software that was written for OpenAI's realtime transcription: change the address and the key, keep the code.",
    snippet: ({ ws, key }) => `from openai import AsyncOpenAI

client = AsyncOpenAI(api_key="${key || "any"}", websocket_base_url="${ws}/v1")
async with client.realtime.connect(extra_query={"intent": "transcription"}) as session: ...`,
  },
  {
    id: "native", name: "Own program", dialects: ["native"],
    note: "JSON and µ-law over one WebSocket. This command plays a file as a call.",
    snippet: ({ ws, key }) => `trunkline call recording.wav --url ${ws}${when(key, ` --key ${key}`)}

# or by hand: connect to ${ws}/v1/calls, send this, then 8 kHz mu-law
{"type":"start","channels":["agent","customer"],"encoding":"mulaw","sample_rate":8000,"language":"en"}`,
  },
];

/** What to check while nothing arrives. */
export function checks(bridge, { ws, key }) {
  const port = host(ws);
  return [
    `Can ${bridge.name} reach ${port}? A firewall or NAT in between drops connections silently.`,
    key === null ? "The site has no keys; bridges must be on this machine or network."
      : "A refused key shows as HTTP 401 in the log of your phone system.",
    ws.startsWith("ws:") && bridge.isCloud ? "This address has no TLS: cloud platforms accept wss:// only." : "The gateway answers a wrong path with HTTP 404: copy the address as it stands.",
  ];
}

// HTTP/2 by Node's own module: `serve [CERTIFICATE KEY]` prints its port, `call PORT COUNT [tls]` posts on one
// connection, one exchange after another, and prints a line of JSON for each.
const fs = require('fs');
const http2 = require('http2');

const PATH = '/npcf-smpolicycontrol/v1/sm-policies';
const ASKED = Buffer.alloc(1511, ' ');
const GIVEN = Buffer.alloc(4099, ' ');

function serve(certificate, key) {
    const server = certificate ?
        http2.createSecureServer({cert: fs.readFileSync(certificate), key: fs.readFileSync(key)}) :
        http2.createServer();
    server.on('stream', (stream) => {
        stream.resume();
        stream.on('end', () => {
            stream.respond({':status': 201, 'content-type': 'application/json'});
            stream.end(GIVEN);
        });
    });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
    process.stdin.resume().on('end', () => process.exit());
}

function call(port, count, secure) {
    const client = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, {rejectUnauthorized: false});
    const ask = (left) => {
        if (!left)
            return client.close();
        const stream = client.request({':method': 'POST', ':path': PATH, 'content-type': 'application/json'});
        const said = {
            client_port: client.socket.localPort, method: 'POST', path: PATH, status: 0, request_bytes: ASKED.length,
            response_bytes: 0
        };
        stream.on('response', (headers) => { said.status = headers[':status']; });
        stream.on('data', (data) => { said.response_bytes += data.length; });
        stream.on('end', () => {
            console.log(JSON.stringify(said));
            ask(left - 1);
        });
        stream.end(ASKED);
    };
    client.on('connect', () => ask(count));
}

const [word, ...words] = process.argv.slice(2);
if (word === 'serve')
    serve(...words);
else
    call(words[0], Number(words[1]), words[2] === 'tls');

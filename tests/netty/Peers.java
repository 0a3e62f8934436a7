// HTTP/2 over Netty's TLS, BoringSSL on memory: `serve CERTIFICATE KEY` prints its port and ends with its standard input;
// `call PORT COUNT CONNECTIONS` has COUNT exchanges on each connection and writes each down as JSON.

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.handler.codec.http2.Http2StreamFrame;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.io.File;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;

public class Peers {
    static final String PATH = "/nudm-sdm/v2/imsi-001010000000001/am-data";
    static final byte[] BODY = ("{\"gpsis\":[\"msisdn-" + "1".repeat(800) + "\"]}").getBytes(StandardCharsets.UTF_8);
    static final ApplicationProtocolConfig H2 = new ApplicationProtocolConfig(
            ApplicationProtocolConfig.Protocol.ALPN,
            ApplicationProtocolConfig.SelectorFailureBehavior.NO_ADVERTISE,
            ApplicationProtocolConfig.SelectedListenerFailureBehavior.ACCEPT,
            "h2");

    /** Answers what is asked on a stream. */
    static class Answering extends SimpleChannelInboundHandler<Http2StreamFrame> {
        @Override
        protected void channelRead0(ChannelHandlerContext stream, Http2StreamFrame frame) {
            if (frame instanceof Http2HeadersFrame) {
                Http2Headers head = new DefaultHttp2Headers().status("200").set("content-type", "application/json");
                stream.write(new DefaultHttp2HeadersFrame(head));
                stream.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(BODY), true));
            }
        }
    }

    /** Takes an answer: its status and its octets. */
    static class Answered extends SimpleChannelInboundHandler<Http2StreamFrame> {
        final CompletableFuture<int[]> whole = new CompletableFuture<>();
        private int status;
        private int octets;

        @Override
        protected void channelRead0(ChannelHandlerContext stream, Http2StreamFrame frame) {
            if (frame instanceof Http2HeadersFrame) {
                status = Integer.parseInt(((Http2HeadersFrame) frame).headers().status().toString());
            } else if (frame instanceof Http2DataFrame) {
                octets += ((Http2DataFrame) frame).content().readableBytes();
                if (((Http2DataFrame) frame).isEndStream()) {
                    whole.complete(new int[] {status, octets});
                }
            }
        }
    }

    static ChannelInitializer<Channel> secured(SslContext context, boolean serves) {
        return new ChannelInitializer<>() {
            @Override
            protected void initChannel(Channel link) {
                Http2FrameCodec codec =
                        (serves ? Http2FrameCodecBuilder.forServer() : Http2FrameCodecBuilder.forClient()).build();
                ChannelHandler answering = new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel stream) {
                        stream.pipeline().addLast(new Answering());
                    }
                };
                ChannelHandler each = serves ? answering : new ChannelInboundHandlerAdapter();
                link.pipeline().addLast(context.newHandler(link.alloc()), codec, new Http2MultiplexHandler(each));
            }
        };
    }

    static void serve(NioEventLoopGroup loops, String certificate, String key) throws Exception {
        SslContextBuilder own = SslContextBuilder.forServer(new File(certificate), new File(key));
        SslContext context = own.sslProvider(SslProvider.OPENSSL).applicationProtocolConfig(H2).build();
        ServerBootstrap server = new ServerBootstrap().group(loops).channel(NioServerSocketChannel.class);
        Channel listening = server.childHandler(secured(context, true)).bind("127.0.0.1", 0).sync().channel();
        System.out.println(((InetSocketAddress) listening.localAddress()).getPort());
        while (System.in.read() >= 0) {}
    }

    static void call(NioEventLoopGroup loops, int port, int count, int connections) throws Exception {
        SslContextBuilder any = SslContextBuilder.forClient().trustManager(InsecureTrustManagerFactory.INSTANCE);
        SslContext context = any.sslProvider(SslProvider.OPENSSL).applicationProtocolConfig(H2).build();
        Thread.sleep(500); // a library is new to the agent: it is known when the first connection comes
        Channel[] links = new Channel[connections];
        Bootstrap client = new Bootstrap().group(loops).channel(NioSocketChannel.class).handler(secured(context, false));
        for (int number = 0; number < connections; number++) {
            links[number] = client.connect("127.0.0.1", port).sync().channel();
        }
        for (int number = 0; number < count; number++) {
            for (Channel link : links) {
                Answered answer = new Answered();
                Channel stream = new Http2StreamChannelBootstrap(link).handler(answer).open().sync().getNow();
                Http2Headers head = new DefaultHttp2Headers().method("GET").path(PATH).scheme("https").authority("udm");
                stream.writeAndFlush(new DefaultHttp2HeadersFrame(head, true));
                int[] had = answer.whole.get();
                System.out.printf(
                        "{\"client_port\": %d, \"method\": \"GET\", \"path\": \"%s\", \"status\": %d,"
                                + " \"request_bytes\": 0, \"response_bytes\": %d}%n",
                        ((InetSocketAddress) link.localAddress()).getPort(), PATH, had[0], had[1]);
            }
        }
        for (Channel link : links) {
            link.close().sync();
        }
    }

    public static void main(String[] words) throws Exception {
        NioEventLoopGroup loops = new NioEventLoopGroup(2);
        if (words[0].equals("serve")) {
            serve(loops, words[1], words[2]);
        } else {
            call(loops, Integer.parseInt(words[1]), Integer.parseInt(words[2]), Integer.parseInt(words[3]));
        }
        System.exit(0);
    }
}

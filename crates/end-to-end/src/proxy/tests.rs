use tokio::time::{Instant, timeout};

use super::*;

/// Longer than anything here takes.
const OVERDUE: Duration = Duration::from_secs(20);

/// Long enough for what must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(100);

/// Answers every byte by itself.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn proxy() -> Proxy {
    Proxy::before(echo().await).unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn hear(stream: &mut TcpStream, length: usize) -> io::Result<String> {
    let mut heard = vec![0; length];
    let reading = timeout(OVERDUE, stream.read_exact(&mut heard));
    reading.await.expect("an answer in time")?;
    Ok(String::from_utf8(heard).unwrap())
}

/// Whether it is silent, and neither ended nor broken.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(A_WHILE, stream.read_u8()).await.is_err()
}

async fn answers(stream: &mut TcpStream) -> bool {
    say(stream, "ping").await;
    hear(stream, 4).await.unwrap() == "ping"
}

fn is_reset(heard: &io::Result<String>) -> bool {
    heard
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn bytes_and_the_end_of_a_connection_pass() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(answers(&mut stream).await);
    stream.shutdown().await.unwrap();
    let ended = timeout(OVERDUE, stream.read_u8()).await.expect("the end");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_held_arrives_when_it_passes_again() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let mut proxy = proxy().await;
        let mut stream = connect(&proxy).await;
        assert!(answers(&mut stream).await);
        proxy.set(direction, Flow::Hold);
        say(&mut stream, "late").await;
        assert!(is_silent(&mut stream).await);
        proxy.pass().unwrap();
        assert_eq!(hear(&mut stream, 4).await.unwrap(), "late");
    }
}

#[tokio::test]
async fn a_slow_direction_delays_each_chunk() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Direction::ToClient, Flow::Slow(A_WHILE));
    let asked = Instant::now();
    assert!(answers(&mut stream).await);
    assert!(asked.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let mut proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(answers(&mut stream).await);
    proxy.set(Direction::ToClient, Flow::Cut(3));
    say(&mut stream, "answer").await;
    // A reset may overtake what came before it.
    let mut heard = String::new();
    let ended = timeout(OVERDUE, stream.read_to_string(&mut heard))
        .await
        .expect("the end");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!("ans".starts_with(&heard), "{heard}");
    proxy.pass().unwrap();
    assert!(answers(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn refused_connections_come_back_on_the_same_port() {
    let mut proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(answers(&mut stream).await);
    proxy.refuse().await;
    assert!(is_reset(&hear(&mut stream, 1).await));
    for _ in 0..3 {
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
    proxy.pass().unwrap();
    assert!(answers(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn what_is_held_is_lost_by_a_reset() {
    let mut proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(answers(&mut stream).await);
    proxy.set(Direction::ToServer, Flow::Hold);
    say(&mut stream, "lost").await;
    assert!(is_silent(&mut stream).await);
    proxy.reset();
    proxy.pass().unwrap();
    assert!(is_reset(&hear(&mut stream, 1).await));
}

/// What arrived at the server is looked at, for whatever comes back is lost as well.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_slips_through_between_a_reset_and_what_passes_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    for _ in 0..200 {
        let mut proxy = Proxy::before(target).unwrap();
        proxy.trap("lost", Direction::ToServer, Flow::Hold);
        let mut stream = connect(&proxy).await;
        let (mut server, _) = listener.accept().await.unwrap();
        say(&mut stream, "lost").await;
        timeout(OVERDUE, proxy.trapped()).await.expect("the text was said");
        proxy.reset();
        proxy.pass().unwrap();
        let arrived = timeout(OVERDUE, server.read_u8()).await.expect("the end");
        assert_eq!(arrived.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_trap_takes_the_connection_that_says_its_text() {
    let mut proxy = proxy().await;
    let (mut trapped, mut free) = (connect(&proxy).await, connect(&proxy).await);
    proxy.trap("secret", Direction::ToServer, Flow::Hold);
    assert!(answers(&mut trapped).await);
    // The text comes in two parts.
    say(&mut trapped, "a sec").await;
    assert_eq!(hear(&mut trapped, 5).await.unwrap(), "a sec");
    say(&mut trapped, "ret").await;
    timeout(OVERDUE, proxy.trapped()).await.expect("the text was said");
    assert!(is_silent(&mut trapped).await);
    assert!(answers(&mut free).await);
    proxy.pass().unwrap();
    assert_eq!(hear(&mut trapped, 3).await.unwrap(), "ret");
}

#[tokio::test]
async fn a_trap_may_take_the_answer_only() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.trap("secret", Direction::ToClient, Flow::Cut(0));
    assert!(answers(&mut stream).await);
    say(&mut stream, "secret").await;
    timeout(OVERDUE, proxy.trapped()).await.expect("there was an answer");
    assert!(is_reset(&hear(&mut stream, 1).await));
    assert!(answers(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn another_trap_frees_what_was_in_the_one_before() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.trap("first", Direction::ToServer, Flow::Hold);
    say(&mut stream, "first").await;
    timeout(OVERDUE, proxy.trapped()).await.expect("the text was said");
    proxy.trap("second", Direction::ToServer, Flow::Hold);
    assert_eq!(hear(&mut stream, 5).await.unwrap(), "first");
    say(&mut stream, "second").await;
    timeout(OVERDUE, proxy.trapped()).await.expect("the text was said");
    assert!(is_silent(&mut stream).await);
}

#[tokio::test]
async fn what_is_abandoned_stays_half_open() {
    let mut proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.trap("secret", Direction::ToServer, Flow::Hold);
    say(&mut stream, "secret").await;
    timeout(OVERDUE, proxy.trapped()).await.expect("the text was said");
    proxy.abandon();
    assert!(is_silent(&mut stream).await);
    proxy.trap("another", Direction::ToServer, Flow::Hold);
    proxy.abandon();
    proxy.pass().unwrap();
    assert!(is_silent(&mut stream).await);
    let mut another = connect(&proxy).await;
    say(&mut another, "secret").await;
    assert_eq!(hear(&mut another, 6).await.unwrap(), "secret");
    proxy.reset();
    assert!(is_reset(&hear(&mut stream, 1).await));
}

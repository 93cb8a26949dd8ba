fn main() {
    // TODO: greet
    println!("hi");
}

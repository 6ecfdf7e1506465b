use coord::{Error, idempotent};
/// Everything by default.
async fn pay(order: u64) -> Result<Payment, PayError> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Idempotent,
        & ["payment:<order>"], ::core::option::Option::None, "",
        ::core::concat!(::core::module_path!(), "::", "pay"))
    }
    #[allow(clippy::used_underscore_binding)]
    let idempotent = {
        ::coord::__private::Idempotent::new({
            let value0 = &order;
            ::coord::__private::Renderer::new("payment:<order>")
                .literal("payment:")
                .value("order", value0, "")
                .finish()
        })
    };
    idempotent
        .run(
            <Result<Payment, PayError> as ::coord::__private::Fallible>::from_error,
            <Result<Payment, PayError> as ::coord::__private::Replayable>::codec,
            move |_: ::coord::__private::IdempotencyContext| async move {
                #[allow(clippy::type_complexity)]
                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                    Result<Payment, PayError>,
                > {
                    return output;
                }
                {
                    let payment = charge(order).await?;
                    Ok(payment)
                }
            },
        )
        .await
}
#[allow(clippy::all)]
pub(crate) async fn arguments_of_every_kind<'a, T: KeyPart + Serialize>(
    order: &'a Order,
    (a, b): (T, T),
    r#type: u8,
    mut count: usize,
) -> Result<impl Stored, Error> {
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Idempotent,
        & ["payment:<order.id>:<r#type>"], ::core::option::Option::None,
        "ttl = \"24h\", lease = lease(), wait = \"1m\", fingerprint, context = ctx",
        ::core::concat!(::core::module_path!(), "::", "arguments_of_every_kind"))
    }
    #[allow(clippy::used_underscore_binding)]
    let idempotent = {
        ::coord::__private::Idempotent::new({
                let value0 = &order.id;
                let value1 = &r#type;
                ::coord::__private::Renderer::new("payment:<order.id>:<r#type>")
                    .literal("payment:")
                    .value("order.id", value0, ":")
                    .literal(":")
                    .value("type", value1, "")
                    .finish()
            })
            .ttl(::core::time::Duration::new(86400u64, 0u32))
            .lease(lease())
            .wait(::core::time::Duration::new(60u64, 0u32))
    };
    #[allow(clippy::used_underscore_binding)]
    let idempotent = idempotent.fingerprint("order", &order);
    #[allow(clippy::used_underscore_binding)]
    let idempotent = idempotent.fingerprint("a", &a);
    #[allow(clippy::used_underscore_binding)]
    let idempotent = idempotent.fingerprint("b", &b);
    #[allow(clippy::used_underscore_binding)]
    let idempotent = idempotent.fingerprint("count", &count);
    idempotent
        .run(
            <Result<_, Error> as ::coord::__private::Fallible>::from_error,
            <Result<_, Error> as ::coord::__private::Replayable>::codec,
            move |guard: ::coord::__private::IdempotencyContext| async move {
                #[allow(clippy::type_complexity)]
                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                    Result<_, Error>,
                > {
                    return output;
                }
                #[allow(clippy::no_effect_underscore_binding)]
                let ctx: &::coord::__private::IdempotencyContext = &guard;
                { Ok(ctx.attempt()) }
            },
        )
        .await
}
impl Service {
    fn import<'a>(
        &'a self,
        id: u64,
        amount: u64,
        r#type: Type,
    ) -> impl Future<Output = Result<(), ImportError>> + Send {
        my::coord::__private::inventory::submit! {
            my::coord::__private::Annotated::new(my::coord::__private::AnnotatedKind::Idempotent,
            & ["import:<id>"], ::core::option::Option::None,
            "in_progress = \"reject\", fingerprint(amount, r#type), remember_errors, coord = self.coord",
            ::core::concat!(::core::module_path!(), "::", "import"))
        }
        #[allow(clippy::used_underscore_binding)]
        let idempotent = {
            let coordinator = &self.coord;
            my::coord::__private::Idempotent::new({
                    let value0 = &id;
                    my::coord::__private::Renderer::new("import:<id>")
                        .literal("import:")
                        .value("id", value0, "")
                        .finish()
                })
                .with(coordinator)
                .reject()
        };
        #[allow(clippy::used_underscore_binding)]
        let idempotent = idempotent.fingerprint("amount", &amount);
        #[allow(clippy::used_underscore_binding)]
        let idempotent = idempotent.fingerprint("type", &r#type);
        idempotent
            .run(
                <Result<(), ImportError> as my::coord::__private::Fallible>::from_error,
                <Result<
                    (),
                    ImportError,
                > as my::coord::__private::ReplayableWithErrors>::codec,
                move |_: my::coord::__private::IdempotencyContext| async move {
                    #[allow(clippy::type_complexity)]
                    if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                        Result<(), ImportError>,
                    > {
                        return output;
                    }
                    #[allow(clippy::type_complexity)]
                    let start = move || {
                        async move { self.gateway.import(id, amount, r#type).await }
                    };
                    start().await
                },
            )
    }
}
/// The first is the outer one, whatever the compiler hands out first.
async fn stacked(id: u64) -> Result<u64, Error> {
    #[allow(unused_imports)]
    use locked as _;
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Idempotent,
        & ["order:<id>"], ::core::option::Option::None, "context = ctx",
        ::core::concat!(::core::module_path!(), "::", "stacked"))
    }
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Locked, &
        ["order:<id>"], ::core::option::Option::None, "lease = lease",
        ::core::concat!(::core::module_path!(), "::", "stacked"))
    }
    #[allow(clippy::used_underscore_binding)]
    let idempotent = {
        ::coord::__private::Idempotent::new({
            let value0 = &id;
            ::coord::__private::Renderer::new("order:<id>")
                .literal("order:")
                .value("id", value0, "")
                .finish()
        })
    };
    #[allow(clippy::used_underscore_binding)]
    let locked = {
        ::coord::__private::Locked::new([
            {
                let value0 = &id;
                ::coord::__private::Renderer::new("order:<id>")
                    .literal("order:")
                    .value("id", value0, "")
                    .finish()
            },
        ])
    };
    idempotent
        .run(
            <Result<u64, Error> as ::coord::__private::Fallible>::from_error,
            <Result<u64, Error> as ::coord::__private::Replayable>::codec,
            move |guard: ::coord::__private::IdempotencyContext| async move {
                #[allow(clippy::type_complexity)]
                if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                    Result<u64, Error>,
                > {
                    return output;
                }
                #[allow(clippy::no_effect_underscore_binding)]
                let ctx: &::coord::__private::IdempotencyContext = &guard;
                locked
                    .run(
                        <Result<u64, Error> as ::coord::__private::Fallible>::from_error,
                        move |guard: ::std::sync::Arc<::coord::__private::Lease>| async move {
                            #[allow(clippy::type_complexity)]
                            if let ::core::option::Option::Some(output) = ::core::option::Option::None::<
                                Result<u64, Error>,
                            > {
                                return output;
                            }
                            #[allow(clippy::no_effect_underscore_binding)]
                            let lease: &::coord::__private::Lease = &guard;
                            { Ok(lease.token().into()) }
                        },
                    )
                    .await
            },
        )
        .await
}
